#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "host/lane/dispatcher.h"
#include "host/lane/io.h"
#include "host/pipeline/walks.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/fake_bus.h"
#include "tests/simulation/hops_scenario.h"

namespace outboard::simulation {

// Watches the way of events through the hops of their lanes, and of calls through the stages of
// their pipeline, from one end to the other: what each hop gets, in which order, and that each end
// has its cause. What happens within one dispatcher is the other Oracle's to judge. Where the
// promise leaves a choice, every choice is accepted.
class HopsOracle {
 public:
  HopsOracle(const HopsScenario& scenario, const FakeBus& bus, Coverage* coverage);

  void NewHost();
  // The bus hands it out: its way begins, or begins anew.
  void OnDelivered(const bus::Delivery& delivery);
  // Before a step of a dispatcher.
  void OnInput(uint32_t plugin, const lane::Input& input);
  // After it, with what is for the bus and for sessions. `before`: what the dispatcher said of its
  // circuit before the step.
  void OnEffects(uint32_t plugin, const lane::Effects& effects, const lane::Dispatcher& dispatcher,
                 lane::CircuitState before);
  void OnCall(uint64_t id, std::shared_ptr<const lane::Call> call, Time deadline);
  void OnGivenUp(uint64_t id);
  void OnAnswer(uint64_t id, const pipeline::Answer& answer, Time now);
  // The host drains: calls may be refused from now on.
  void OnDrain();

  bool failed() const { return !invariant_.empty(); }
  const std::string& invariant() const { return invariant_; }
  const std::string& message() const { return message_; }
  void Fail(const char* invariant, std::string message);
  size_t calls_under_way() const { return calls_.size(); }
  static std::string StageName(size_t position) { return "s" + std::to_string(position); }

 private:
  enum class Fact : uint8_t {
    kNone,
    kContinue,
    kDone,
    kHalt,
    kRetry,
    kReject,
    kRelease,
    kDeadline,
    kLost,
    kForged,  // CONTINUE with what is not the same event or call.
  };
  // A place on the way, and what is to be had there.
  struct Step {
    size_t at = 0;
    std::string bytes;
    auto operator<=>(const Step&) const = default;
  };
  struct Way {
    std::set<Step> steps;  // Where it may be sent next.
    Fact fact = Fact::kNone;
    size_t at = 0;                      // Where it was sent last.
    uint32_t flying = 0;                // Unanswered and not expired.
    std::string reason;                 // Of kReject.
    std::optional<std::string> answer;  // Of kHalt.
    bool hooked = false;
  };
  struct EventWay : Way {
    bus::Tag tag = 0;
    std::string original;
    bool ended = false;         // Its end was handed to the bus.
    bool final_end = false;     // Of this delivery, and of the event.
    std::set<std::string> was;  // All bytes that it ever had.
  };
  struct CallWay : Way {
    std::shared_ptr<const lane::Call> call;
    Time deadline = kNever;
  };
  struct Sent {
    lane::LaneId hop = 0;
    uint32_t lane = 0, index = 0;
    uint64_t call = 0;  // In place of the event.
    std::string bytes;
    bool answered = false, expired = false, observed = false;
  };
  struct Session {
    uint32_t component = 0;
    bool quarantine = false, draining = false, paused = false;
    std::vector<Sent> sent;  // By delivery id - 1.
  };
  struct Place {
    uint32_t lane = 0;
    size_t at = 0;  // Among the hops that are no observers.
    const HopTraits* hop = nullptr;
    bool last = false;
  };

  void Answers(Session* session, const lane::AnswersArrived& in);
  void Take(Sent* sent, const lane::Answer& answer);
  void TakeOfEvent(const Sent& sent, const lane::Answer& answer);
  void TakeOfCall(const Sent& sent, const lane::Answer& answer);
  void FailEvent(const Sent& sent, Fact fact);
  void Lose(Sent* sent, bool drained);
  void Expire(uint32_t plugin, const lane::CancelDeliveries& cancel);
  bool Owes(const Sent& sent) const;
  // What was owed is answered, or its session is over.
  void Free(const Sent& sent);
  std::pair<uint32_t, int> KeyOf(const Sent& sent) const;
  void Frame(uint32_t plugin, const lane::SendFrame& frame);
  void SendEvent(const lane::FrameItem& item, Sent* sent);
  void SendCall(const lane::FrameItem& item, Sent* sent);
  void CheckOrder(const Sent& sent);
  bool MaySkip(const std::vector<const HopTraits*>& hops, size_t from, size_t to,
               const std::string* operation) const;
  bool Hooks(const HopTraits& stage, const std::string& operation) const;
  // Where it may be sent next, taken there. False: it may not.
  bool Arrive(const std::vector<const HopTraits*>& hops, Way* way, size_t at,
              const std::string& bytes, const std::string* operation);
  void Settle(const bus::Settlement& settlement);
  void CheckEnd(uint32_t lane, const std::string& name, const EventWay& way,
                const bus::Settlement& settlement);
  bool IsUsable(const HopTraits& stage) const;
  // Empty: it is right.
  std::string WrongAnswer(const CallWay& way, const pipeline::Answer& answer, Time now);
  std::string Name(uint32_t lane, uint32_t index) const;

  const HopsScenario& scenario_;
  const FakeBus& bus_;
  Coverage* coverage_;
  std::string invariant_, message_;
  std::vector<std::vector<const HopTraits*>> ways_;  // By lane: its hops without observers.
  std::vector<const HopTraits*> stages_;
  absl::flat_hash_map<lane::LaneId, Place> places_;
  std::vector<std::map<uint32_t, EventWay>> events_;  // By lane and index; while they are out.
  std::map<uint64_t, CallWay> calls_;
  std::vector<std::map<lane::SessionId, Session>> sessions_;  // By plugin.
  std::vector<bool>
      open_now_;  // By plugin: its circuit is not closed, or was not before this step.
  // Answers that are owed by lane and key: indexes, each with whether its hop fails open.
  std::map<std::pair<uint32_t, int>, std::multiset<std::pair<uint32_t, bool>>> owed_;
  bool draining_ = false;
};

}  // namespace outboard::simulation
