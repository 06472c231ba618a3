#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "host/lane/io.h"
#include "tests/simulation/agenda.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/fake_bus.h"
#include "tests/simulation/random.h"
#include "tests/simulation/scenario.h"

namespace outboard::simulation {

// The instances of the plugin with their sessions, and the supervisor that launches, replaces and
// ends them. What they send comes out as inputs for the dispatcher; each call may yield some, in
// order.
class FakePlugins {
 public:
  using Inputs = std::vector<lane::Input>;

  FakePlugins(const Scenario& scenario, const FakeBus& bus, Random* random, Agenda* agenda,
              Coverage* coverage);

  void set_phase(const Phase* phase) { phase_ = phase; }
  // From now on everything works; killers too, if they are mended.
  void Mend(Time now);
  void Start(Time now);
  // The host is gone, and with it all sessions and launched instances.
  void LoseHost(Time now);

  // From the dispatcher.
  void OnFrame(const lane::SendFrame& frame, Time now);
  void OnCancel(const lane::CancelDeliveries& cancel, Time now);
  void OnClose(const lane::CloseSession& close, Time now);
  void OnReplace(const lane::ReplaceInstance& replace, Time now, Inputs* out);
  void OnWantsQuarantine(bool wants, Time now);

  // From the agenda.
  void Tick(uint64_t session, Time now, Inputs* out);
  void LateAnswer(uint64_t session, Time now, Inputs* out);
  void EndSession(uint64_t session, Time now, Inputs* out);
  void Launch(uint64_t slot, uint64_t generation, Time now, Inputs* out);
  void OpenSession(uint64_t slot, uint64_t extra, Time now, Inputs* out);
  void StopSlot(uint64_t slot, uint64_t generation, Time now, Inputs* out);
  void TellEnded(uint64_t slot, uint64_t generation, Inputs* out);

  // Chaos.
  void KillSomeInstance(Time now);
  void KillQuarantine(Time now);
  void GoAway(Time now, Inputs* out);
  void BreakSomeStream(Time now);
  void Deploy(Time now, Inputs* out);

 private:
  struct Held {
    uint64_t id = 0;
    uint32_t lane = 0;
    uint32_t index = 0;
    int key = -1;
    bool killer = false;
    bool hung = false;
    Event event;
    std::shared_ptr<const lane::Call> call;  // Instead.
  };
  struct Session {
    lane::SessionId id = 0;
    lane::ComponentId component = 0;
    uint32_t slot = 0;
    uint64_t generation = 0;
    bool dead = false;     // The process or the stream is gone; the host will learn of it.
    bool down = false;     // The host knows.
    bool leaving = false;  // Ends when nothing is left to do.
    bool lied = false;
    bool ticking = false;
    uint32_t window = 1'000;
    uint64_t received = 0;  // Highest delivery id.
    uint64_t answered = 0;  // Some id that was answered; 0: none.
    lane::DownCause cause = lane::DownCause::kCrashed;
    std::vector<Held> held;
  };
  enum class SlotState : uint8_t { kDown, kStarting, kUp, kStopping };
  struct Slot {
    bool quarantine = false;
    bool wanted = true;
    SlotState state = SlotState::kDown;
    uint64_t generation = 0;
    uint32_t version = 0;
  };

  Session& Get(uint64_t id) { return sessions_[id - 1]; }
  bool mended() const { return mended_; }
  bool Kills(const Held& held) const;
  std::vector<size_t> Workable(const Session& session) const;
  void PlanTick(Session* session, Time now);
  void PlanEnd(Session* session, lane::DownCause cause, Duration within, Time now);
  void PlanLaunch(uint32_t slot, Time now);
  void Kill(uint32_t slot, Time now);
  void Leave(uint32_t slot, Duration grace, Time now, Inputs* out);
  void MaybeLeft(Session* session, Time now);
  void SlotMaybeDown(uint32_t slot, Time now);
  void Work(Session* session, Time now, lane::AnswersArrived* frame);
  void Say(Session* session, const Held& held, lane::AnswersArrived* frame);
  // The good verdict of the component's role, with what comes with it.
  void SayWell(const Session& session, const Held& held, lane::Answer* answer);
  void ReleaseFollowers(Session* session, const Held& failed, lane::AnswersArrived* frame);
  void Decorate(Session* session, lane::AnswersArrived* frame);
  void Lie(Session* session, Time now, Inputs* out);

  const Scenario& scenario_;
  const FakeBus& bus_;
  Random* random_;
  Agenda* agenda_;
  Coverage* coverage_;
  const Phase* phase_ = nullptr;
  bool mended_ = false;
  uint32_t version_ = 1;
  std::vector<Slot> slots_;        // The last one is for quarantine.
  std::vector<Session> sessions_;  // By id - 1.
};

}  // namespace outboard::simulation
