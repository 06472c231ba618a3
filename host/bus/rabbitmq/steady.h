#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace outboard::bus::rabbitmq {

// For what is between this process and the broker: the injected clock may stand still.
using Steady = std::chrono::steady_clock::time_point;
inline Steady SteadyNow() { return std::chrono::steady_clock::now(); }

// How long to wait before the next try after so many failures in a row: from 100 ms doubling to
// 10 s, half of it by chance, so that the hosts of a cluster do not come all at once.
inline std::chrono::milliseconds Backoff(int failures) {
  static thread_local std::minstd_rand random{std::random_device()()};
  const int64_t step = std::min<int64_t>(int64_t{100} << std::clamp(failures - 1, 0, 10), 10'000);
  return std::chrono::milliseconds(step / 2 + static_cast<int64_t>(random()) % (step / 2 + 1));
}

}  // namespace outboard::bus::rabbitmq
