#include "host/shard/pace.h"

#include <algorithm>
#include <chrono>

namespace outboard::shard {
namespace {

// Busy: 5,000 events a second, each found twice.
constexpr Duration kWindow = std::chrono::milliseconds(10);
constexpr uint64_t kBusy = 100;
constexpr uint64_t kFew = 64;
constexpr Duration kLongest = std::chrono::milliseconds(1);
// Less is not worth a sleep.
constexpr Duration kShortest = std::chrono::microseconds(50);
// The fastest plugin has a delivery for about as long.
constexpr Duration kHandling = std::chrono::microseconds(2);

}  // namespace

bool Pace::IsFew(uint64_t found) const { return busy_ && found < kFew; }

void Pace::Looked(uint64_t found, Time now) {
  last_look_ = now;
  found_ += found;
  if (now < window_start_ + kWindow) return;
  // In a longer one it slept.
  busy_ = found_ >= kBusy && now < window_start_ + 2 * kWindow;
  window_start_ = now;
  found_ = 0;
}

Duration Pace::Rest(std::optional<uint64_t> left, Time now) const {
  if (!busy_) return Duration::zero();
  Duration rest = kLongest;
  if (left && *left < static_cast<uint64_t>(kLongest / kHandling))
    rest = kHandling * static_cast<int64_t>(*left);
  rest = std::min(rest, last_look_ + rest - now);
  return rest < kShortest ? Duration::zero() : rest;
}

}  // namespace outboard::shard
