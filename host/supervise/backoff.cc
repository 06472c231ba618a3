#include "host/supervise/backoff.h"

#include <algorithm>
#include <utility>

namespace outboard::supervise {
namespace {

// Below this a plugin that dies at once would keep a core busy, whatever the config says.
constexpr Duration kFloor = std::chrono::milliseconds(10);

}  // namespace

RestartBackoff::RestartBackoff(Duration initial, Duration max, std::function<double()> random)
    : initial_(std::max(initial, kFloor)),
      max_(std::max(max, initial_)),
      random_(std::move(random)) {}

Time RestartBackoff::OnEnded(Time now) {
  if (now - started_ >= 2 * max_) ends_ = 0;
  Duration delay = initial_;
  for (uint32_t i = 0; i < ends_ && delay < max_; ++i) delay *= 2;
  delay = std::min(delay, max_);
  ++ends_;
  return now + delay -
         Duration(static_cast<int64_t>(random_() * static_cast<double>(delay.count()) / 4));
}

Time RestartBackoff::EarliestStart(Time now) const { return std::max(now, started_ + initial_); }

}  // namespace outboard::supervise
