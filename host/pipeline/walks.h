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
#include "absl/status/status.h"
#include "host/base/clock.h"
#include "host/lane/io.h"

namespace outboard::pipeline {

struct Stage {
  std::string name;  // As configured.
  lane::LaneId lane = 0;
  bool fail_open = false;  // Of events: one that it has no answer for passes it as it was.
};

// Of calls, or of publishers' events on their way to the bus.
struct Pipeline {
  std::string name;
  std::vector<Stage> stages;  // At least one; for calls the last one is the controller.
};

// What the caller gets.
struct Answer {
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string stage;                   // That answered (dropped the event) or failed; empty: none.
  std::optional<std::string> payload;  // Wire bytes of a Payload; nothing: no answer.
  lane::Failure failure;               // Where code is not kOk.
  std::optional<Duration> retry_after = std::nullopt;  // kUnavailable: as the stage asks for.
  Event event = {};                                    // That passed all stages, as they left it.
};

// Since the start of the host, except for what says "now".
struct Stats {
  uint64_t answered = 0;                        // Of events: dropped.
  uint64_t unanswered = 0;                      // Walks that no stage ended; of events: passed.
  std::map<absl::StatusCode, uint64_t> failed;  // Cancelled by the caller: kCancelled.
  uint64_t under_way = 0;                       // Now.
  lane::Durations took;
};

// Leads calls, and events before the bus, through the stages of their pipelines: whom one goes to
// next, and what its caller is told. Of an event that fails nothing was published, so whatever may
// be otherwise the next time is UNAVAILABLE, a deadline too. Pure; owned by the shard that has all
// the stages.
class Walks {
 public:
  using Id = uint64_t;  // The caller's; of no other walk under way.

  struct Effects {
    std::vector<lane::CallsArrived::Item> calls;  // Each ends as a CallEnd for Take.
    std::vector<std::pair<lane::LaneId, Id>> cancels;
    std::vector<std::pair<Id, Answer>> answers;
  };

  explicit Walks(std::vector<Pipeline> pipelines);

  // Behind those that are there.
  void Add(Pipeline pipeline);
  // A walk begins. `pipeline` is a position in the list.
  void Start(Id id, size_t pipeline, std::shared_ptr<const lane::Call> call, Time deadline,
             Time now, Effects* effects);
  // A stage is through with its call.
  void Take(lane::CallEnd end, Time now, Effects* effects);
  // The caller waits no longer: it gets no answer. Does nothing if the walk is over.
  void Cancel(Id id, Time now, Effects* effects);
  // The host stops: an event passes no more stages that fail open.
  void StopFailingOpen() { fails_open_ = false; }
  // Ends those whose deadline has come.
  void FireTimers(Time now, Effects* effects);
  Time NextDue() const { return deadlines_.empty() ? kNever : deadlines_.begin()->first; }

  size_t under_way() const { return walks_.size(); }
  const std::vector<Pipeline>& pipelines() const { return pipelines_; }
  const Stats& stats(size_t pipeline) const { return stats_[pipeline]; }

 private:
  struct Walk {
    size_t pipeline = 0;
    size_t at = 0;  // The stage that has it.
    std::shared_ptr<const lane::Call> call;
    Time deadline = kNever;
    Time since{};
    bool hooked = false;  // By a stage so far.
  };
  using WalkMap = absl::flat_hash_map<Id, Walk>;

  // To its stage, or to its end behind the last one.
  void Go(WalkMap::iterator walk, Time now, Effects* effects);
  void End(WalkMap::iterator walk, Answer answer, Time now, Effects* effects);
  void Fail(WalkMap::iterator walk, lane::CallEnd end, Time now, Effects* effects);
  Stats& Forget(WalkMap::iterator walk, Time now);

  std::vector<Pipeline> pipelines_;
  std::vector<Stats> stats_;
  bool fails_open_ = true;
  WalkMap walks_;
  std::set<std::pair<Time, Id>> deadlines_;
};

// The code that a caller gets for what a stage rejects: the one that has the reason's name, such as
// NOT_FOUND or INVALID_ARGUMENT; UNKNOWN for any other.
absl::StatusCode CodeOf(const std::string& reason);

}  // namespace outboard::pipeline
