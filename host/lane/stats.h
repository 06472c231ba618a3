#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "host/base/clock.h"
#include "host/event/event.h"
#include "host/lane/options.h"

// What others may see of a Dispatcher.
namespace outboard::lane {

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
  uint64_t dropped = 0;  // By a stage, or of a type that the component does not take.
  uint64_t retries = 0;  // Counted attempts that ended in RETRY or at a deadline.
  uint64_t deadlines = 0;
  uint64_t rejected = 0;  // Answers.
  uint64_t released = 0;
  uint64_t returned = 0;  // Given back to the bus unhandled.
  uint64_t dead = 0;
  uint64_t emitted = 0;
  uint64_t passed = 0;       // Stage: let pass, or passed by.
  uint64_t halted = 0;       // Stage: the walk ended there.
  uint64_t redelivered = 0;  // Came again after a session was lost.
  uint64_t ready = 0;        // Now: waiting for a session.
  uint64_t parked = 0;       // Now: waiting for their key.
  uint64_t held = 0;         // Now: waiting in memory for a retry, a trial or a conviction.
  uint64_t in_flight = 0;    // Now: with a session, unanswered.
  uint64_t forwarded = 0;    // Now: with the next hop.
  uint64_t settling = 0;     // Now: handed to the bus.
  bool probing = false;      // Now.
  bool paused = false;       // Now, by PauseLane.
  bool stopped = false;      // Now, by a dead letter, or until it is known that there is none.
  uint64_t stops = 0;        // First hop: what stopped it so far; GoOn names them.
  uint64_t dying = 0;        // Now: dead letters that the bus has not confirmed.
  Durations handling;        // From sending to the answer.
  Durations end_to_end;      // From when the bus accepted the event to its settlement as done.
};

struct SuspectView {
  LaneId lane = 0;
  std::string event_id;
  uint32_t ends = 0;
  bool set_aside = false;
};

// What an event that is with a lane waits for.
enum class Waits : uint8_t {
  kAnswer,    // It is with `instance` since `since`.
  kKey,       // For `behind`, which has its key.
  kOwed,      // An answer is owed still for one of its key whose time was over.
  kRetry,     // Comes again at `until`.
  kTrial,     // A suspect: to be tried alone.
  kAside,     // Set aside: for a success of another event, by which it is convicted.
  kCircuit,   // For the circuit's trial at `until`.
  kProbe,     // For the lane's next probe at `until`.
  kSession,   // For an instance that serves its component.
  kWindow,    // For its component, which has its window at 0 since `since`.
  kRoom,      // For room in the windows of its component.
  kPaused,    // For a person who paused the lane.
  kSettling,  // For the bus to make its end.
};

struct EventView {
  LaneId lane = 0;  // The hop.
  Event event;
  Waits waits = Waits::kRoom;
  Time accepted_at{};     // By the bus.
  uint32_t attempts = 0;  // Counted.
  std::string key = {};   // kKey, kOwed.
  std::string behind = {};
  std::optional<uint32_t> instance = std::nullopt;
  bool quarantine = false;  // The instance is one for suspects.
  uint32_t ends = 0;        // kTrial, kAside: processes that ended with it alone.
  std::optional<Time> since = std::nullopt;
  std::optional<Time> until = std::nullopt;
  std::string detail = {};  // For people: a crash report, why the circuit is open.
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
