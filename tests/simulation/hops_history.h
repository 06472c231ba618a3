#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/lane/dispatcher.h"
#include "host/lane/hops.h"
#include "host/pipeline/walks.h"
#include "tests/simulation/agenda.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/fake_bus.h"
#include "tests/simulation/fake_plugins.h"
#include "tests/simulation/hops_oracle.h"
#include "tests/simulation/hops_scenario.h"
#include "tests/simulation/random.h"

namespace outboard::simulation {

// One history of several dispatchers, between which events go from hop to hop and calls from stage
// to stage, as in a shard: for some steps in a random world, then everything is mended and must
// come to an end. One thread.
class HopsHistory {
 public:
  // steps 0: drawn from the seed.
  HopsHistory(uint64_t seed, uint32_t steps, bool trace, Coverage* coverage);

  // True if every promise was kept.
  bool Run();

  const std::string& invariant() const { return oracle_.invariant(); }
  const std::string& message() const { return oracle_.message(); }
  uint64_t steps() const { return steps_; }
  uint32_t planned() const { return scenario_.steps; }

 private:
  // One plugin with its dispatcher.
  struct Plugin {
    Plugin(const Scenario& scenario, const FakeBus& bus, Random* random, Coverage* coverage)
        : options(scenario.options), plugins(scenario, bus, random, &agenda, coverage) {}
    const lane::DispatcherOptions options;
    Agenda agenda;
    FakePlugins plugins;
    std::unique_ptr<lane::Dispatcher> dispatcher;
    Time wake_at = kNever;
    bool drained = false;
  };

  void NewHost();
  void EndHost(bool orderly);
  bool Advance();
  // The agenda whose turn is next; the bus's has the number of plugins.
  std::pair<Time, size_t> NextAgenda();
  Time NextWake() const;
  void DoOfBus(const Appointment& appointment);
  void DoOfPlugin(uint32_t plugin, const Appointment& appointment);
  void FireTimers();
  void Chaos();
  void StartDrain();
  void CallSome();
  void FeedAll(uint32_t plugin, FakePlugins::Inputs* inputs);
  void Feed(uint32_t plugin, lane::Input input);
  void Step(uint32_t plugin, lane::Input input);
  void Carry(uint32_t plugin, lane::Effects* effects);
  void Carry(pipeline::Walks::Effects* effects);
  void NextPhase();
  void Mend();
  void CheckEnd();
  bool SuspectsLeft() const;
  bool Ended() const;
  bool Stop(const char* invariant, std::string message);
  std::string Describe() const;

  Random random_;
  Coverage* coverage_;
  const bool trace_;
  HopsScenario scenario_;
  Agenda agenda_;  // Of the bus, the callers and chaos.
  FakeBus bus_;
  HopsOracle oracle_;
  std::deque<Plugin> plugins_;
  std::unique_ptr<lane::Hops> hops_;
  std::unique_ptr<pipeline::Walks> walks_;
  Phase phase_;
  size_t next_phase_ = 0;
  uint64_t phase_end_ = 0;
  uint64_t steps_ = 0;
  uint64_t next_call_ = 1;
  std::vector<uint64_t> callers_;  // Ids that were called; some are answered.
  Time now_ = Time(std::chrono::seconds(1'700'000'000));
  uint32_t at_one_instant_ = 0;
  bool draining_ = false, mended_ = false;
};

}  // namespace outboard::simulation
