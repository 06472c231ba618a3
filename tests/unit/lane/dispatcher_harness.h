#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "host/lane/dispatcher.h"

namespace outboard::lane {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// One plugin with one component and one lane (0), not ordered; retries without jitter.
DispatcherOptions OneLane();
// One plugin with two components: a stage (component 0), through which lane 0 goes, and a worker
// (component 1, hop 1). Not ordered; retries without jitter.
DispatcherOptions OneStage();
// The same, ordered by the attribute `key`.
DispatcherOptions OneOrderedLane();

// The same as Session, of component 1.
SessionUp WorkerSession(SessionId id);

// A session of component 0, version "v1", without limits of its own: a window of 16 at first.
SessionUp Session(SessionId id);
// The same for suspects.
SessionUp QuarantineSession(SessionId id);

// The same as Session, of a component that says in_order.
SessionUp InOrderSession(SessionId id);

// What is delivered.
struct What {
  LaneId lane = 0;
  std::string key = "";
  uint32_t attempts = 0;
  size_t data = 8;  // Bytes of data; the whole event has some 40 more.
};

// A dispatcher between a bus that settles at once and plugins that answer when told to. Events are
// called e1, e2, ... in the order of delivery. What came out is kept as text until asked for:
//   Sent()        "1: e1 e2"              a frame to session 1
//   Settlements() of first hops: "e1 done", "e1 retry in 1000 ms", "e1 dead TOO_LARGE", "e1
//   returned" Notices()     "suspected 2", "convicted e1", "circuit opened", ...
class DispatcherHarness {
 public:
  explicit DispatcherHarness(DispatcherOptions options = OneLane(), uint64_t seed = 1,
                             std::vector<KnownSuspect> known = {});

  // ---- The bus ----
  void Deliver(int count, const What& what = {});
  // The next event's name; `id` may name one that came before.
  void DeliverAgain(const std::string& id, const What& what = {});
  // From now on settlements are not answered until SettleHeld.
  void HoldSettles() { hold_settles_ = true; }
  // Answers what is held and, if OK, holds no longer.
  void SettleHeld(const absl::Status& status = absl::OkStatus());

  // ---- Plugins ----
  void Up(const SessionUp& session) { Give(session); }
  void Draining(SessionId session) { Give(SessionDraining{session}); }
  void Down(SessionId session, DownCause cause, const std::string& report = "report") {
    Give(SessionDown{session, cause, report});
  }
  void Crash(SessionId session) { Down(session, DownCause::kCrashed); }
  void Window(SessionId session, uint32_t window);
  // By the ids alone, in one frame of each session that is concerned.
  template <typename... Events>
  void Done(Events... events) {
    AnswerIds({events...}, &AnswersArrived::done_ids);
  }
  template <typename... Events>
  void Progress(Events... events) {
    AnswerIds({events...}, &AnswersArrived::progress_ids);
  }
  // By verdicts, likewise.
  template <typename... Events>
  void Retry(Events... events) {
    SayOfAll({events...}, Verdict::kRetry);
  }
  template <typename... Events>
  void Release(Events... events) {
    SayOfAll({events...}, Verdict::kRelease);
  }
  void RetryAfter(const std::string& event, Duration after, const std::string& reason = "");
  void Reject(const std::string& event, const std::string& reason = "");
  void DoneWith(const std::string& event, std::vector<std::string> emits);
  void Say(const std::string& event, Verdict verdict, const std::string& reason = "");
  // The whole answer on the delivery by which `event` went out last.
  void Say(const std::string& event, Answer answer);

  // ---- Time and all the rest ----
  void Advance(Duration d);
  void Drain(Duration left) { Give(StartDrain{now_ + left}); }
  void Give(Input input);

  // ---- What came out since it was asked for last ----
  std::vector<std::string> Sent() { return std::exchange(sent_, {}); }
  std::vector<std::string> Settlements() { return std::exchange(settlements_, {}); }
  std::vector<std::string> Notices() { return std::exchange(notices_, {}); }
  // Of options.lineage: "e1: indexer retry BUSY; retry", "e2: filter continue, indexer done; done".
  std::vector<std::string> Records() { return std::exchange(records_, {}); }
  const lane::Record& LastRecord() const { return last_record_; }
  std::vector<CancelDeliveries> Cancels() { return std::exchange(cancels_, {}); }
  std::vector<CloseSession> Closes() { return std::exchange(closes_, {}); }
  std::vector<ReplaceInstance> Replaces() { return std::exchange(replaces_, {}); }
  void ForgetOutput();

  // ---- What is so now ----
  uint32_t Credit(LaneId lane = 0) { return credit_[lane]; }
  bool wants_quarantine() const { return effects_.wants_quarantine; }
  // As it was said last.
  const std::vector<KnownSuspect>& Known() const { return known_; }
  bool drained() const { return effects_.drained; }
  // Until the dispatcher wants to be woken; nothing: never.
  std::optional<Duration> WakesIn() const;
  Time now() const { return now_; }
  // The settlement of an event that came last.
  const bus::Settlement& SettlementOf(const std::string& event) { return ended_[event]; }
  // As it went out last.
  const FrameItem& ItemOf(const std::string& event) { return flights_[event].item; }
  uint64_t IdOf(const std::string& event) { return flights_[event].delivery_id; }
  // "e1: 1 ends", "e2: 2 ends, set aside".
  std::vector<std::string> Suspects() const;
  const Dispatcher& dispatcher() const { return dispatcher_; }
  const LaneStats& stats(LaneId lane = 0) const { return dispatcher_.stats(lane); }

 private:
  struct Flight {
    SessionId session = 0;
    uint64_t delivery_id = 0;
    FrameItem item;
  };

  void AnswerIds(const std::vector<std::string>& events,
                 std::vector<uint64_t> AnswersArrived::*ids);
  void SayOfAll(const std::vector<std::string>& events, Verdict verdict);
  void Step(Input input);
  // What is for other hops of the same dispatcher, and for a bus that settles at once.
  bool CarryOn();
  void Record(SendFrame& frame);
  void Record(bus::Settlement& settlement);
  void Record(const Notice& notice);
  void Record(const lane::Record& record);

  Dispatcher dispatcher_;
  Time now_{seconds(1'000'000)};
  Effects effects_;

  int last_event_ = 0;
  bus::Tag last_tag_ = 0;
  std::map<LaneId, LaneId> before_;  // The hop before each that is not the first.
  std::map<std::pair<LaneId, bus::Tag>, std::string> event_of_;
  std::map<std::string, Flight> flights_;
  std::map<std::string, bus::Settlement> ended_;
  std::map<LaneId, uint32_t> credit_;
  std::deque<bus::Settlement> unsettled_;
  std::deque<Input> between_;  // From hop to hop.
  std::vector<KnownSuspect> known_;
  bool hold_settles_ = false;

  std::vector<std::string> sent_, settlements_, notices_, records_;
  lane::Record last_record_;
  std::vector<CancelDeliveries> cancels_;
  std::vector<CloseSession> closes_;
  std::vector<ReplaceInstance> replaces_;
};

// Session 1 takes `count` events and dies with them.
void Suspect(DispatcherHarness& h, int count, const What& what = {});
// The suspect that is tried next ends its quarantine session.
void EndOne(DispatcherHarness& h, SessionId session);

}  // namespace outboard::lane
