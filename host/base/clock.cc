#include "host/base/clock.h"

namespace outboard {

RealClock::RealClock()
    : wall_(std::chrono::system_clock::now()), steady_(std::chrono::steady_clock::now()) {}

Time RealClock::Now() const {
  const auto since = std::chrono::steady_clock::now() - steady_;
  return std::chrono::time_point_cast<Duration>(wall_) +
         std::chrono::duration_cast<Duration>(since);
}

}  // namespace outboard
