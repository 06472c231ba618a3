#pragma once

#include <array>
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
#include "host/lane/options.h"

// What goes into a Dispatcher and what comes out: plain values, no behaviour.
namespace outboard::lane {

// ---- Inputs ------------------------------------------------------------------------------------

// The bus handed these out, within the credit of their lanes.
struct DeliveriesArrived {
  std::vector<bus::Delivery> deliveries;
};

enum class Verdict : uint8_t { kInvalid, kDone, kRetry, kReject, kRelease };

struct Failure {
  std::string reason;
  std::string message;
  std::string detail;
};

struct Answer {
  uint64_t delivery_id = 0;
  Verdict verdict = Verdict::kInvalid;
  std::optional<Duration> retry_after;
  std::unique_ptr<Failure> failure;
  std::vector<std::string> emits;  // Wire bytes of events, as the component wrote them.
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
  uint32_t concurrency = 0;  // As in Component.
  bool in_order = false;
  uint32_t max_in_flight = 0;      // The plugin's and the config's, whichever is less; 0: no limit.
  size_t max_in_flight_bytes = 0;  // 0: no limit.
  size_t max_message_bytes = 4 << 20;
  std::vector<std::string> emits;        // Types that it may emit.
  std::vector<std::string> event_types;  // Types that it takes, as topics; empty: all.
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

struct TimerFired {};

// Shutdown: takes nothing new, lets what is in flight finish until the deadline, gives back the
// rest.
struct StartDrain {
  Time deadline{};
};

using Input =
    std::variant<DeliveriesArrived, AnswersArrived, SessionUp, SessionDraining, SessionDown,
                 InstanceEnded, InstanceFailed, SettlesArrived, TimerFired, StartDrain>;

// ---- Effects
// -------------------------------------------------------------------------------------

struct FrameItem {
  Event event;
  uint32_t attempt = 1;
  LaneId lane = 0;
  std::string order_key;  // Only for in_order components.
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

// The lane takes at most `more` further deliveries (bus::Consumer::SetCredit).
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

// For logs, metrics and status; decides nothing.
struct Notice {
  enum class Kind : uint8_t {
    kSuspected,  // `count` deliveries became suspects.
    kCleared,    // A suspect was answered.
    kSetAside,
    kConvicted,
    kCircuitOpened,
    kCircuitTrial,
    kCircuitClosed,
    kProbeStarted,
    kProbeEnded,
    kDeadLettered,   // text: reason.
    kProtocolError,  // text: which rule.
    kStuck,
    kSettleFailed,
  };
  Kind kind;
  LaneId lane = 0;
  std::string event_id;
  std::string text;
  uint64_t count = 1;
};

struct Effects {
  std::vector<SendFrame> frames;
  std::vector<CancelDeliveries> cancels;
  std::vector<bus::Settlement> settlements;
  std::vector<CloseSession> closes;
  std::vector<SetCredit> credits;
  std::vector<ReplaceInstance> replaces;
  std::vector<Notice> notices;
  // The state after the step.
  Time wake_at = kNever;          // Step with TimerFired at this time.
  bool wants_quarantine = false;  // A launched plugin: an instance for suspects should run.
  bool drained = false;  // A drain is complete: nothing is in flight, held or being settled.

  void Clear() { *this = Effects(); }
};

// ---- What others may see
// -------------------------------------------------------------------------

// Counts of durations in fixed buckets, for histograms; `counts[i]` are those of at most
// kBounds[i], the last one the rest.
struct Durations {
  static constexpr std::array<double, 16> kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                                     0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                                     1,      5,       30,     300};  // Seconds.
  std::array<uint64_t, kBounds.size() + 1> counts{};
  double sum = 0;  // Seconds.

  void Add(Duration d) {
    const double seconds = static_cast<double>(d.count()) * 1e-6;
    size_t i = 0;
    while (i < kBounds.size() && seconds > kBounds[i]) ++i;
    ++counts[i];
    sum += seconds;
  }
};

// Since the start of the host, except for what says "now".
struct LaneStats {
  uint64_t received = 0;
  uint64_t done = 0;
  uint64_t dropped = 0;  // Of a type that the component does not take.
  uint64_t retries = 0;  // Counted attempts that ended in RETRY or at a deadline.
  uint64_t deadlines = 0;
  uint64_t rejected = 0;  // Answers.
  uint64_t released = 0;
  uint64_t returned = 0;  // Given back to the bus unhandled.
  uint64_t dead = 0;
  uint64_t emitted = 0;
  uint64_t redelivered = 0;  // Came again after a session was lost.
  uint64_t ready = 0;        // Now: waiting for a session.
  uint64_t parked = 0;       // Now: waiting for their key.
  uint64_t held = 0;         // Now: waiting in memory for a retry, a trial or a conviction.
  uint64_t in_flight = 0;    // Now: with a session, unanswered.
  uint64_t settling = 0;     // Now: handed to the bus.
  bool probing = false;      // Now.
  Durations handling;        // From sending to the answer.
  Durations end_to_end;      // From when the bus accepted the event to its settlement as done.
};

struct SuspectView {
  LaneId lane = 0;
  std::string event_id;
  uint32_t ends = 0;
  bool set_aside = false;
};

enum class CircuitState : uint8_t { kClosed, kOpen, kTrial };

struct SessionView {
  SessionId session = 0;
  uint32_t instance = 0;
  uint64_t in_flight = 0;
  uint32_t window = 0;
  bool draining = false;
};

}  // namespace outboard::lane
