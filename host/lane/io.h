#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "host/base/clock.h"
#include "host/bus/bus.h"
#include "host/event/event.h"
#include "host/lane/known_suspect.h"
#include "host/lane/notice.h"
#include "host/lane/options.h"
#include "host/lane/record.h"
#include "host/lane/stats.h"

// What goes into a Dispatcher and what comes out: plain values, no behaviour.
namespace outboard::lane {

// ---- Inputs ------------------------------------------------------------------------------------

// The bus handed these out, within the credit of their lanes.
struct DeliveriesArrived {
  std::vector<bus::Delivery> deliveries;
};

// kDone: DONE of a worker, CONTINUE of a stage, ACCEPTED of a producer. kHalt: of a stage.
enum class Verdict : uint8_t { kInvalid, kDone, kRetry, kReject, kRelease, kHalt };

struct Failure {
  std::string reason;
  std::string message;
  std::string detail;
  std::vector<std::pair<std::string, std::string>> metadata = {};  // More facts.
};

// A request on its way through a pipeline, or a publisher's event on its way to the bus. Never
// changed; a stage that changes it makes another one.
struct Call {
  std::string bytes;  // Wire bytes of outboard.plugin.v1.Call.
  std::string pipeline;
  std::string operation;
  Event event = {};  // In place of all others.

  bool is_event() const { return !event.empty(); }
};

struct Answer {
  uint64_t delivery_id = 0;
  Verdict verdict = Verdict::kInvalid;
  std::optional<Duration> retry_after;
  std::unique_ptr<Failure> failure;
  std::vector<std::string> emits;  // Worker: wire bytes of events, as the component wrote them.
  std::unique_ptr<bus::Placed> placed;       // Producer, kDone.
  std::optional<std::string> changed;        // Stage, kDone: wire bytes of the event to go on with.
  std::shared_ptr<const Call> changed_call;  // Stage, kDone: the call to go on with.
  std::optional<std::string> answer;         // Stage, kHalt: wire bytes of a Payload.
};

// One frame from a plugin.
struct AnswersArrived {
  SessionId session = 0;
  std::vector<uint64_t> done_ids;
  std::vector<Answer> verdicts;
  std::vector<uint64_t> progress_ids;
  std::optional<uint32_t> window;
};

// A session is open: its component answered Opened.
struct SessionUp {
  SessionId session = 0;
  ComponentId component = 0;
  uint32_t instance = 0;     // For people and metrics.
  uint64_t life = 0;         // One run of that instance; InstanceEnded names it.
  bool quarantine = false;   // Gets suspects only. Remote plugins have no such instances.
  std::string version;       // Of the plugin.
  uint64_t generation = 0;   // Of its config and program; the same version may be another build.
  uint32_t concurrency = 0;  // As in Component.
  bool in_order = false;
  uint32_t max_in_flight = 0;      // The plugin's and the config's, whichever is less; 0: no limit.
  size_t max_in_flight_bytes = 0;  // 0: no limit.
  size_t max_message_bytes = 4 << 20;
  std::vector<std::string> emits;        // Types that it may emit.
  std::vector<std::string> event_types;  // Types that it takes, as topics; empty: all.
  std::vector<std::string> operations;   // Stage: of the calls that it takes; "*": all.
};

// The session gets no more work: its server is going away, or its instance is being replaced.
struct SessionDraining {
  SessionId session = 0;
};

enum class DownCause : uint8_t {
  kDrained,        // It ended as asked; what is unanswered was not handled.
  kCrashed,        // The process died.
  kProtocolError,  // The plugin broke the contract (also when the dispatcher said so itself).
  kStreamFailed,   // The stream or the connection broke.
};

// The session is over; nothing of it comes after this.
struct SessionDown {
  SessionId session = 0;
  DownCause cause = DownCause::kCrashed;
  std::string
      report;  // For people: signal or exit code or broken rule, last stderr lines, peak memory.
};

// One run of a remote instance is over for sure: its address shows another instance_id, or left.
// Comes after the SessionDown of its sessions, maybe long after, or never.
struct InstanceEnded {
  uint64_t life = 0;
};

// An instance ended, or could not be used, before its session was open. Counts in the crash budget.
struct InstanceFailed {
  bool quarantine = false;
  std::string report;
};

struct SettlesArrived {
  std::vector<bus::Settled> settled;
};

// The next hop takes at most `more` further events of this lane, until it says so again.
struct NextCredit {
  LaneId lane = 0;
  uint32_t more = 0;
};

// What became of events that lanes forwarded: settlements of the next hops, each with the lane that
// forwarded and the tag of the forwarded delivery.
struct NextEnded {
  std::vector<bus::Settlement> settlements;
};

// Whether the first hop of this one's lane can hold no more behind its keys: what is set aside here
// may be what they wait for.
struct FirstJammed {
  LaneId lane = 0;
  bool jammed = false;
};

// Calls for lanes that take calls. Each ends as one CallEnd.
struct CallsArrived {
  struct Item {
    LaneId lane = 0;
    uint64_t call = 0;  // Never used twice.
    std::shared_ptr<const Call> body;
    Time deadline = kNever;  // Of the caller, who says so when it has passed.
  };
  std::vector<Item> calls;
};

// Nobody waits for these calls any more: they get no CallEnd, and a plugin that works on one is
// told.
struct CallsCancelled {
  std::vector<uint64_t> calls;
};

// Of the lane's first hop, and of each hop behind it: paused, it takes nothing; what is with a
// plugin may finish, the rest is given back. Otherwise it goes on.
struct PauseLane {
  LaneId lane = 0;
  bool paused = true;
};

// Of a first hop that has LaneOptions::stops: the bus has a dead letter of the lane. It takes
// nothing more, as if it were paused, until GoOn; it stops by itself for the letters that it makes.
struct StopLane {
  LaneId lane = 0;
};

// Of a first hop: what stopped the lane up to its LaneStats::stops is of no account any more. If
// nothing did since, it goes on.
struct GoOn {
  LaneId lane = 0;
  uint64_t stops = 0;
};

// Of each hop behind a first one that stopped or goes on.
struct FirstStopped {
  LaneId lane = 0;
  bool stopped = false;
};

// How the plugin's events are to be treated from now on. Lanes and components may have come, at the
// end of their lists; a lane that left was paused and is empty. Of those that stay, only retry,
// time limit and what follows a dead letter may be others. What was sent before keeps its time
// limit.
struct Configure {
  DispatcherOptions options;
};

struct TimerFired {};

// Shutdown: takes nothing new, lets what is in flight finish until the deadline, gives back the
// rest.
struct StartDrain {
  Time deadline{};
};

using Input = std::variant<DeliveriesArrived, AnswersArrived, SessionUp, SessionDraining,
                           SessionDown, InstanceEnded, InstanceFailed, SettlesArrived, NextCredit,
                           NextEnded, FirstJammed, CallsArrived, CallsCancelled, PauseLane,
                           StopLane, GoOn, FirstStopped, Configure, TimerFired, StartDrain>;

// ---- Effects ----

struct FrameItem {
  Event event;
  uint32_t attempt = 1;
  LaneId lane = 0;
  std::string order_key;                             // Only for in_order components.
  std::optional<Duration> time_left = std::nullopt;  // Where it is not the session's time limit.
  std::shared_ptr<const Call> call = nullptr;        // Instead of the event, and none itself.
};

// One frame: delivery ids are first_id, first_id + 1, ...
struct SendFrame {
  SessionId session = 0;
  uint64_t first_id = 0;
  std::vector<FrameItem> items;
};

struct CancelDeliveries {
  SessionId session = 0;
  std::vector<uint64_t> ids;
};

enum class CloseCause : uint8_t { kDrain, kProtocolError };

// Ends the requests of a session. It stays known until SessionDown.
struct CloseSession {
  SessionId session = 0;
  CloseCause cause = CloseCause::kDrain;
  std::string message;
  Duration time_left{};  // kDrain: until the stream may be cancelled.
};

// The lane takes at most `more` further deliveries (bus::Consumer::SetCredit; NextCredit of the hop
// before).
struct SetCredit {
  LaneId lane = 0;
  uint32_t more = 0;
};

// The instance behind the session is stuck: replace it, at once or after a drain.
struct ReplaceInstance {
  SessionId session = 0;
  bool at_once = false;
  std::string why;
};

// What a stage made of a call.
struct CallEnd {
  enum class Kind : uint8_t {
    kContinue,     // It goes on, as `changed` where that is set.
    kPassed,       // The stage does not hook its operation, or the event's type.
    kHalt,         // Answered; of an event: dropped.
    kFailed,       // For good, as the stage says.
    kRefused,      // For good, as the host says: too large for the stage, or no valid change.
    kUnavailable,  // RETRY, or nobody who could answer: `failure` says why.
    kDeadline,     // No answer within the stage's time limit.
  };
  LaneId lane = 0;
  uint64_t call = 0;
  Kind kind = Kind::kContinue;
  std::shared_ptr<const Call> changed;
  std::optional<std::string> answer;  // kHalt: wire bytes of a Payload; nothing: no answer.
  Failure failure;
  std::optional<Duration> retry_after = std::nullopt;  // kUnavailable: as the stage asks for.
};

struct Effects {
  std::vector<SendFrame> frames;
  std::vector<CancelDeliveries> cancels;
  // Of a first hop for the bus; of another for the hop before it, as NextEnded, and answered at
  // once as settled.
  std::vector<bus::Settlement> settlements;
  std::vector<bus::Delivery> forwards;  // Deliveries for the hop that each names.
  std::vector<FirstJammed> jams;        // Of first hops, for all hops behind them.
  std::vector<FirstStopped> stops;      // As well.
  std::vector<CallEnd> call_ends;
  std::vector<CloseSession> closes;
  std::vector<SetCredit> credits;
  std::vector<ReplaceInstance> replaces;
  std::vector<Notice> notices;
  std::vector<Record> records;
  std::optional<std::vector<KnownSuspect>> known;  // All of them, where that changed: keep them.
  // The state after the step.
  Time wake_at = kNever;          // Step with TimerFired at this time.
  bool wants_quarantine = false;  // A launched plugin: an instance for suspects should run.
  bool drained = false;  // A drain is complete: nothing is in flight, held or being settled.
  void Clear() { *this = Effects(); }
};

}  // namespace outboard::lane
