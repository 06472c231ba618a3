#pragma once

#include "absl/status/status.h"
#include "host/base/clock.h"

namespace outboard::plugin {

// When an instance that has nothing to do is asked for a sign of life, and what its answer means.
// While deliveries are in flight their progress alone is the measure, and nothing here counts.
// Owned by a shard, on its thread.
class Heartbeat {
 public:
  static constexpr Duration kEvery = std::chrono::minutes(1);

  explicit Heartbeat(Time now) : due_(now + kEvery) {}

  // When OnTime is to be called; kNever while an answer is awaited.
  Time due() const { return due_; }
  // A frame of the instance came: a sign of life.
  void OnFrame(Time now);
  // True: ask the instance now, and send each of its sessions an empty frame.
  bool OnTime(Time now, bool idle);
  // The answer, or that none came in time. False: the instance is not alive.
  bool OnAnswer(Time now, const absl::Status& health, bool idle);

 private:
  Time due_;
};

}  // namespace outboard::plugin
