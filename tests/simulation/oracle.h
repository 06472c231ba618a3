#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/lane/dispatcher.h"
#include "host/lane/io.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/fake_bus.h"
#include "tests/simulation/scenario.h"

namespace outboard::simulation {

// Watches one Dispatcher through its inputs, effects and views, and says which promise it breaks.
// It decides nothing itself: where the promise leaves a choice (a delay's jitter, what of a lying
// frame counts, whether an attempt at the edge of an outage is charged), it accepts every choice
// and narrows what it knows by what it sees.
class Oracle {
 public:
  Oracle(const Scenario& scenario, const FakeBus& bus, Coverage* coverage);

  // A new Dispatcher; nothing of the old one counts.
  void NewHost();
  // Before a step.
  void OnInput(const lane::Input& input, Time now);
  // After it.
  void OnStep(const lane::Effects& effects, const lane::Dispatcher& dispatcher, Time now);

  bool failed() const { return !invariant_.empty(); }
  const std::string& invariant() const { return invariant_; }
  const std::string& message() const { return message_; }
  void Fail(const char* invariant, std::string message);

  // For coverage and the end of a history.
  size_t outstanding() const;
  bool NamedAmongSuspects(uint32_t lane, uint32_t index) const;
  size_t suspects() const { return suspect_count_; }
  void OnUncleanEnd(const FakeBus& bus, const lane::Dispatcher& dispatcher);

 private:
  // A number that is known to lie in lo .. hi.
  struct Range {
    uint32_t lo = 0, hi = 0;
    bool Has(uint32_t v) const { return lo <= v && v <= hi; }
  };
  enum class Fact : uint8_t { kNone, kDone, kRetry, kReject, kRelease, kDeadline };
  enum class Where : uint8_t { kBus, kHeld, kFlying, kSettling, kFailed };

  // One event of one lane, as the Dispatcher has it.
  struct Item {
    Where where = Where::kBus;
    bool counted_release = false;  // The RELEASE may count as RETRY; `must_count`: it does.
    bool must_count = false;
    bool maybe_done = false;  // DONE in a lying frame.
    bool suspect = false, aside = false, bad_deploy = false, tried_in_trial = false;
    bool refused = false, convicting = false;
    std::vector<uint64_t>
        vague_lives;             // Of streams to a remote plugin that failed, while it may live on.
    uint32_t proven = 0;         // Other ends, and such of which the instance ended too.
    bool judged_later = false;   // That came during a trial, whose end will judge.
    bool seen_aside = false;     // By the last view.
    bool reprievable = false;    // The circuit was not closed at some time since it was set aside.
    bool may_reset = false;      // A session of another version came since it became a suspect.
    bool ended_here = false;     // A process that had it alone ended in this life of the host.
    uint64_t recalled_step = 0;  // Of a key: it came with ends of a life before, and may be tried.
    Fact fact = Fact::kNone;
    // What its ends said of it counts no longer.
    void ForgetEnds() {
      ends = {};
      vague_lives.clear();
      proven = 0;
      judged_later = aside = bad_deploy = reprievable = seen_aside = false;
    }
    bus::End end = bus::End::kDone;
    uint32_t lane = 0, index = 0;
    int key = -1;
    Range charged, releases, ends;
    bus::Tag tag = 0;
    uint64_t cookie = 0;
    uint64_t name = 0;  // As in lane::KnownSuspect.
    uint64_t aside_step = 0, sent_step = 0;
    uint64_t success_before_end = 0;  // Step of the last success on `version` before its last end.
    Time ready_from{}, not_before{}, settle_not_before{};
    lane::SessionId session = 0;
    uint64_t id = 0;
    std::optional<Duration> retry_after;
    std::string reason, version;
    std::vector<std::string> emits;
  };

  struct Key {
    std::vector<uint32_t> items;  // Indexes on the lane, ascending.
    size_t finished = 0;          // Of these, so many first ones had their end handed out.
    bus::Tag died_at = 0;         // The last delivery when one of it became a dead letter.
    uint32_t owed = 0;            // Expired deliveries that a session still owes an answer.
  };

  struct LaneState {
    const lane::LaneOptions* options = nullptr;
    std::vector<Item> items;
    std::vector<Key> keys;
    std::vector<uint32_t> out;  // Indexes of items that are not with the bus; unordered.
    uint32_t credit = 0;
    size_t bytes = 0;
    uint64_t received = 0;
    bool paused = false;
    bool stopped = false;   // By a dead letter.
    bool stopping = false;  // In this step, maybe after a frame went out.
    uint64_t stops = 0;
    Time gone_at{}, gone_from{};  // When held ones went back last, and since when they had waited.
    bool at_held = false;         // At its bound of held events before this step.
    // Probing.
    bool probing = false, probing_now = false;  // Before and after this step.
    uint64_t probing_step = 0;
    Time probing_since{}, last_failure{};
    std::vector<uint32_t> may_run,
        must_run;  // Failing outcomes on end, by the most and the least that may count.
    std::vector<uint32_t> step_fails;  // Of this step.
    bool step_answered = false, step_released = false;
  };

  struct Sent {
    enum class State : uint8_t { kOpen, kExpired, kAnswered };
    State state = State::kOpen;
    bool gone = false;  // Given back at the deadline of a drain.
    uint32_t lane = 0, index = 0, frame = 0;
    size_t bytes = 0;
    Time turn = kNever, progress{}, expired{};
  };

  struct Session {
    lane::SessionUp up;
    bool down = false, draining = false, broken = false, replaced = false, closed = false;
    std::optional<uint32_t> window;
    Time activity{}, perhaps_activity{};  // The second also by what need not count.
    std::vector<Sent> sent;               // By delivery id - 1.
    std::vector<uint32_t> open;           // Of these the unanswered, expired ones too, ascending.
    std::vector<uint32_t> frames;         // Unanswered and unexpired per frame.
    uint32_t open_frames = 0;
    size_t open_bytes = 0;
    std::deque<Time> answers;
    struct FailedKey {
      uint32_t lane;
      int key;
      uint64_t id, last_sent;  // What failed, and the last id sent by then.
      bool certain;
    };
    std::vector<FailedKey> failed_keys;
  };

  // oracle_inputs.cc
  void Deliver(const bus::Delivery& delivery, Time now);
  void Recall(Item* item);
  void Answers(const lane::AnswersArrived& frame, Time now);
  void Ended(uint64_t life);
  // Of a frame that breaks a rule: the deliveries that it answers before that, in the order in
  // which a frame is read.
  static std::optional<std::vector<uint64_t>> BeforeLie(const Session& session,
                                                        const lane::AnswersArrived& frame);
  void BreakRule(Session* session, const lane::AnswersArrived& frame,
                 const std::vector<uint64_t>& before);
  void TakeAnswer(Session* session, const lane::Answer& answer, Time now);
  void TakeProgress(Session* session, uint64_t id, Time now);
  bool TakeCredit(Session* session, uint64_t id, Time now);
  void TakeRelease(Session* session, Item* item, uint64_t id, Time now);
  void Failed(Session* session, Item* item, uint64_t id, Time now);
  void Down(const lane::SessionDown& down, Time now);
  void DownItem(Session* session, Item* item, lane::DownCause cause, Time now);
  void EndOf(Item* item, const Session& session, bool vague);
  void Loss(Time now, bool certain);
  void SyncPublished(uint32_t lane);
  void FailKey(Session* session, const Item& item, uint64_t id, bool certain);
  void Settles(const lane::SettlesArrived& settles, Time now);
  void Success(const Item& item, const std::string& version);
  void Clear(Item* item);
  void TurnTo(Session* session, Time now);
  void Land(Item* item);

  // oracle_effects.cc
  void Cancel(const lane::CancelDeliveries& cancel, const lane::Effects& effects, Time now);
  Time DeadlineOf(const Sent& sent) const;
  void Expire(Session* session, Sent* sent);
  void Replace(const lane::ReplaceInstance& replace, Time now);
  void Close(const lane::CloseSession& close);
  void CheckCredit(const lane::Effects& effects, const lane::Dispatcher& dispatcher);
  void Notices(const lane::Effects& effects);
  void ResolveCharges(Time now);
  void ResolveLies(const lane::Effects& effects);
  void CountRuns();

  // oracle_settlements.cc
  void Settle(const bus::Settlement& s, Time now);
  void StopBy(const Item& item, const std::string& reason);
  void SettleAgain(Item* item, const bus::Settlement& s, Time now);
  void CheckDone(Item* item, const bus::Settlement& s);
  void CheckDead(Item* item, const bus::Settlement& s);
  void CheckConviction(Item* item, const bus::Settlement& s);
  void CheckRetry(Item* item, const bus::Settlement& s, Time now);
  void CheckReturned(Item* item, const bus::Settlement& s, Time now);
  bool EmitsFit(const Item& item, const bus::Settlement* s) const;
  void Narrow(Item* item, uint32_t attempts, const char* where);
  Duration LeastDelay(const Item& item, uint32_t attempts) const;

  // oracle_frames.cc
  void Frame(const lane::SendFrame& frame, Time now);
  bool FrameMayLeave(const Session& session, const lane::SendFrame& frame, Time now);
  void Send(Session* session, const lane::FrameItem& sent, uint32_t frame, Time now);
  bool Blocked(const Item& item);
  void CheckOrder(const Item& item, const Session& session);
  void CheckSuspectSend(Item* item, const Session& session);
  void CheckNormalSend(Item* item, const Session& session, Time now);
  void CheckLimits(const Session& session);
  uint64_t Window(const Session& session) const;
  uint64_t Adaptive(const Session& session) const;

  // oracle_state.cc
  void CheckCircuit(const lane::Dispatcher& dispatcher, Time now);
  void CheckSuspects(const lane::Dispatcher& dispatcher);
  void CheckKnown(const lane::Effects& effects);
  void CheckLane(LaneState* lane, const lane::LaneStats& stats, Time now);
  void CheckProbing(LaneState* lane, bool probing, Time now);
  void CheckActedOn();
  void CheckDrain(const lane::Effects& effects, Time now);
  void CheckTimers(Time now);
  void CheckBusy(const lane::Dispatcher& dispatcher);
  void CheckQuarantineWish(const lane::Effects& effects);
  void CheckViews(const lane::Dispatcher& dispatcher);

  Item* Find(bus::LaneId lane, bus::Tag tag);
  Item& At(const Sent& sent) { return lanes_[sent.lane].items[sent.index]; }
  const Item& At(const Sent& sent) const { return lanes_[sent.lane].items[sent.index]; }
  Session* SessionOf(lane::SessionId id);
  LaneState& LaneOf(const Item& item) { return lanes_[item.lane]; }
  const LaneState& LaneOf(const Item& item) const { return lanes_[item.lane]; }
  Key* KeyOf(const Item& item);
  Item* ItemAt(uint32_t lane, uint32_t index);
  size_t BytesOf(const Item& item) const { return bus_.events(item.lane)[item.index].event.size(); }
  bool Keyed(const Item& item) const {
    return item.key >= 0 && !lanes_[item.lane].options->order_by.empty();
  }
  bool Finished(const Item& item) const;
  bool Usable(const Session& session) const;
  std::string Name(const Item& item) const;
  uint64_t LastSuccess(const std::string& version) const;

  const Scenario& scenario_;
  const lane::DispatcherOptions& options_;
  const FakeBus& bus_;
  Coverage* coverage_;
  std::string invariant_, message_;

  std::vector<LaneState> lanes_;
  std::vector<Session> sessions_;
  lane::SessionId first_session_ = 1;                // Of this host.
  std::vector<std::pair<uint32_t, uint32_t>> tags_;  // Lane and index by tag - 1.
  uint64_t step_ = 0;
  size_t suspect_count_ = 0;

  // This step.
  bool timer_ = false, step_success_ = false, step_trial_done_ = false, step_loss_ = false,
       step_down_ = false, step_closed_ = false;
  std::vector<Item*> facts_;       // Answered or expired; pointers last for the step.
  std::vector<Item*> maybe_done_;  // By DONE in a lying frame.

  // Drain.
  // What is not in flight goes back to the bus.
  bool Rests(const LaneState& lane) const {
    return draining_ || lane.paused || lane.stopped || lane.stopping;
  }

  bool draining_ = false;
  Time drain_deadline_{};

  // Circuit.
  lane::CircuitState circuit_ = lane::CircuitState::kClosed;
  Time circuit_since_{};
  std::deque<std::pair<Time, bool>>
      losses_;  // Since the last success; the second: counts for certain.
  std::vector<std::pair<std::string, uint64_t>> successes_;  // Last step per version.
  uint64_t last_success_ = 0;
  uint32_t asides_ = 0;  // Since the last success.
  uint32_t trial_sent_ = 0;
  std::map<uint64_t, lane::KnownSuspect> known_;  // As was said last, in whatever life of the host.
  std::pair<uint32_t, uint32_t> trial_item_{~0u, 0};
  uint64_t late_lo_ = 0, late_hi_ = 0, protocol_errors_ = 0;
};

}  // namespace outboard::simulation
