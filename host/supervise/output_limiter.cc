#include "host/supervise/output_limiter.h"

#include <algorithm>
#include <utility>

namespace outboard::supervise {

OutputLimiter::OutputLimiter(uint32_t lines_per_second, uint32_t bytes_per_second,
                             uint32_t burst_seconds)
    : lines_per_second_(lines_per_second),
      bytes_per_second_(bytes_per_second),
      burst_seconds_(burst_seconds),
      lines_(lines_per_second_ * burst_seconds_),
      bytes_(bytes_per_second_ * burst_seconds_) {}

void OutputLimiter::Refill(Time now) {
  if (now <= refilled_) return;
  const double seconds = std::chrono::duration<double>(now - refilled_).count();
  lines_ = std::min(lines_ + seconds * lines_per_second_, lines_per_second_ * burst_seconds_);
  bytes_ = std::min(bytes_ + seconds * bytes_per_second_, bytes_per_second_ * burst_seconds_);
  refilled_ = now;
}

bool OutputLimiter::Admit(Time now, uint64_t bytes) {
  Refill(now);
  if (lines_ < 1 || bytes_ < static_cast<double>(bytes)) {
    ++dropped_;
    return false;
  }
  lines_ -= 1;
  bytes_ -= static_cast<double>(bytes);
  return true;
}

uint64_t OutputLimiter::TakeDropped() { return std::exchange(dropped_, 0); }

}  // namespace outboard::supervise
