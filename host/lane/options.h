#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/base/clock.h"
#include "host/bus/bus.h"
#include "host/event/wire.h"

// How one plugin's events are to be treated: plain values with defaults.
namespace outboard::lane {

using bus::LaneId;
using SessionId = uint64_t;    // Never reused within one run of the host.
using ComponentId = uint32_t;  // Position in DispatcherOptions::components.

struct RetryPolicy {
  uint32_t max_attempts =
      12;  // Counted attempts; the answer to the last one ends the event. At least 1.
  Duration initial = std::chrono::seconds(1);
  Duration max = std::chrono::minutes(5);
  double jitter = 0.2;  // A delay is stretched by a random share of up to this.
  Duration probe_limit =
      std::chrono::hours(24);  // Probing longer than this charges attempts again.
};

enum class Role : uint8_t { kWorker, kStage, kProducer };

// A lane, or one hop of a lane with stages: each stage, then the target, is a hop of its own, in
// the dispatcher of its plugin. The first hop takes from the bus and settles with it, keeps the
// order of keys and waits for retries; what passes a hop is forwarded to the next one, and what
// becomes of it there comes back.
struct LaneOptions {
  LaneId id = 0;     // The first hop's is the lane's; the others have ids of their own.
  std::string name;  // "route/target".
  std::string route;
  ComponentId component = 0;
  Role role = Role::kWorker;   // Of the component.
  bool first = true;           // It takes from the bus.
  std::optional<LaneId> next;  // The hop after it, or that it observes; nothing: it is the last.
  // One stage of a pipeline or of the ingress: takes calls, or publishers' events as calls, instead
  // of deliveries of the bus. Nothing of it is kept, tried again or settled, and whoever calls
  // bounds what it holds.
  bool calls = false;
  // A stage that fails (RETRY, no answer in time, a crash, no usable instance) lets the event pass
  // as it was.
  bool fail_open = false;
  // A stage that gets copies of what the hop behind it gets: whatever it says, nothing comes of it.
  bool observes = false;
  std::optional<Duration> time_limit;  // Of one delivery here; nothing: the plugin's.
  std::string order_by;  // Attribute whose value is the key; empty: unordered. An event without it
                         // has no key.
  RetryPolicy retry;
  bool paused = false;  // It begins so (PauseLane).
  // A dead letter stops it until GoOn, and it begins stopped: whether the bus has letters of it is
  // still to be found out. All hops of the lane have it, but for observers.
  bool stops = false;
  // Of a first hop with `order_by`: the bus lets later events of a key wait behind a dead letter.
  // So what the lane has of that key goes back.
  bool parks = false;
};

struct CircuitOptions {
  uint32_t crashes = 5;
  Duration within = std::chrono::seconds(60);
  Duration trial_after = std::chrono::seconds(60);
};

struct DispatcherOptions {
  std::string plugin;
  bool remote = false;                  // Not launched by us: no instances of its own for suspects.
  std::vector<std::string> components;  // Names.
  std::vector<LaneOptions> lanes;
  Duration time_limit = std::chrono::seconds(30);  // Of one delivery, from when its turn came.
  Duration progress_cap =
      std::chrono::minutes(5);  // Progress renews the time limit up to so long after the turn came.
  uint32_t crash_limit = 2;     // Quarantine ends after which a suspect is set aside.
  CircuitOptions circuit;
  Duration linger =
      std::chrono::microseconds(500);  // A frame that is not full waits at most so long.
  uint32_t frame_deliveries = 256;
  size_t frame_bytes = 1 << 20;
  uint32_t session_deliveries = 4096;  // Most unanswered on one session.
  size_t session_bytes = 8 << 20;      // The same in bytes; one delivery may always fly.
  uint32_t lane_deliveries =
      8192;  // Most that one lane holds: queued, parked, in flight, in retry, being settled.
  size_t lane_bytes = 16 << 20;  // No further credit above this.
  uint32_t lane_held = 1024;     // Most events held by, or parked behind, keys of an ordered lane.
  uint32_t probe_after = 20;     // So many last outcomes, all RETRY or deadline, ...
  uint32_t probe_events = 10;    // ... of at least so many different events: the lane probes.
  Duration probe_initial = std::chrono::seconds(1);
  Duration probe_max = std::chrono::minutes(1);
  Duration release_delay = std::chrono::milliseconds(100);
  uint32_t max_releases = 3;  // The third RELEASE of a delivery counts as RETRY.
  // A stage that has had no usable session for so long is passed by where it fails open, and gets
  // no calls.
  Duration absent_after = std::chrono::seconds(10);
  Duration settle_retry = std::chrono::seconds(1);  // After the bus failed to settle.
  EventLimits event_limits;                         // For emits and changed events.
  std::vector<std::string> emits;  // Patterns of types that it may emit; empty: all it declares.
  bool lineage = false;            // Effects::records are wanted.
};

}  // namespace outboard::lane
