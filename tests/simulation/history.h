#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "host/lane/dispatcher.h"
#include "tests/simulation/agenda.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/fake_bus.h"
#include "tests/simulation/fake_plugins.h"
#include "tests/simulation/oracle.h"
#include "tests/simulation/random.h"
#include "tests/simulation/scenario.h"

namespace outboard::simulation {

// One history: a Dispatcher in a random world for some steps, then everything is mended and must
// come to an end. One thread.
class History {
 public:
  // steps 0: drawn from the seed.
  History(uint64_t seed, uint32_t steps, bool trace, Coverage* coverage);

  // True if every promise was kept.
  bool Run();

  const std::string& invariant() const { return oracle_.invariant(); }
  const std::string& message() const { return oracle_.message(); }
  uint64_t steps() const { return steps_; }             // Taken.
  uint32_t planned() const { return scenario_.steps; }  // What `--steps` must say to repeat it.

 private:
  void NewHost();
  void EndHost(bool orderly);
  bool Advance();
  void Do(const Appointment& appointment);
  void Chaos();
  // Lanes that a dead letter stopped get an appointment to go on.
  void PlanGoOn();
  // The same of letters that others wait for: somebody sees to them.
  void PlanLetters();
  void GoOn(uint32_t lane);
  void TogglePause(uint32_t lane);
  void StartDrain();
  void Feed(lane::Input input);
  void FeedAll();
  void Carry();
  void NextPhase();
  void Mend();
  void CheckEnd();
  std::string Describe() const;
  bool Stop(const char* invariant, std::string message);

  Random random_;
  Coverage* coverage_;
  const bool trace_;
  Scenario scenario_;
  Agenda agenda_;
  FakeBus bus_;
  FakePlugins plugins_;
  Oracle oracle_;
  std::unique_ptr<lane::Dispatcher> dispatcher_;
  std::vector<lane::KnownSuspect> known_;  // What outlives it.
  lane::Effects effects_;
  FakePlugins::Inputs inputs_;  // To be fed.
  Phase phase_;
  size_t next_phase_ = 0;
  uint64_t phase_end_ = 0;
  uint64_t steps_ = 0;
  Time now_ = Time(std::chrono::seconds(1'700'000'000));
  Time wake_at_ = kNever, wake_due_ = kNever;
  uint32_t timers_in_a_row_ = 0;  // At one instant.
  bool draining_ = false, host_done_ = false, mended_ = false;
  std::set<uint32_t> paused_;    // Lanes, until the host ends.
  std::set<uint32_t> seen_to_;   // Lanes whose letters somebody will see to.
  std::set<uint32_t> going_on_;  // Lanes that have an appointment for that.
};

}  // namespace outboard::simulation
