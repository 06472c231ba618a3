#pragma once

#include <cstdint>
#include <map>

#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/bus/rabbitmq/steady.h"

namespace outboard::bus::rabbitmq {

// How many retries of one queue this process put on the ladder and has not seen again, by when they
// are due, as a message says of itself. Not all come back here: another replica takes one, or the
// queue is gone. What is late is not counted any more. Any thread.
class OnLadder {
 public:
  static constexpr Duration kLate = std::chrono::minutes(5);

  // `due_in`: from now.
  void Add(Time due, Duration due_in, Steady now) OUTBOARD_EXCLUDES(mu_);
  // It came back, or did not get there. Nothing if it is not known.
  void Remove(Time due) OUTBOARD_EXCLUDES(mu_);
  uint64_t Count(Steady now) OUTBOARD_EXCLUDES(mu_);

 private:
  // Those that are due within the same 10 ms are told apart by nothing.
  struct Due {
    uint64_t count = 0;
    Steady late_at{};
  };
  Mutex mu_;
  std::map<int64_t, Due> due_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::bus::rabbitmq
