#pragma once

#include <cstdint>

#include "host/base/clock.h"

namespace outboard::supervise {

// How much of an instance's output reaches the log: two token buckets, of lines and of bytes. Pure.
class OutputLimiter {
 public:
  // At most so many a second; a quiet time saves up for `burst_seconds`.
  OutputLimiter(uint32_t lines_per_second, uint32_t bytes_per_second, uint32_t burst_seconds = 10);

  // True: the line may pass. False: it is dropped and counted.
  bool Admit(Time now, uint64_t bytes);
  // Lines dropped since the last call, to be told to people. Any time.
  uint64_t TakeDropped();
  uint64_t dropped() const { return dropped_; }

 private:
  void Refill(Time now);

  const double lines_per_second_;
  const double bytes_per_second_;
  const double burst_seconds_;
  double lines_;
  double bytes_;
  Time refilled_{};
  uint64_t dropped_ = 0;
};

}  // namespace outboard::supervise
