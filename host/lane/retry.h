#pragma once

#include <cstdint>
#include <optional>

#include "host/base/clock.h"
#include "host/lane/io.h"

namespace outboard::lane {

// A small seeded generator (splitmix64): the same seed gives the same jitter on every platform.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  // In [0, 1).
  double Uniform();

 private:
  uint64_t state_;
};

// The delay before attempt `attempts + 1`, where `attempts` (>= 1) have been counted. What the
// component asked for is kept, cut to the policy's max on ordered lanes (they hold their key
// meanwhile) and to a day elsewhere.
Duration RetryDelay(const RetryPolicy& policy, uint32_t attempts, std::optional<Duration> asked,
                    bool ordered, Random& random);

// initial * 2^doublings, at most max.
Duration Backoff(Duration initial, uint32_t doublings, Duration max);

}  // namespace outboard::lane
