#include "host/lane/retry.h"

#include <algorithm>

namespace outboard::lane {
namespace {

constexpr Duration kLongest = std::chrono::hours(24);

}  // namespace

uint64_t Random::Next() {
  uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

double Random::Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

Duration Backoff(Duration initial, uint32_t doublings, Duration max) {
  Duration delay = std::min(initial, max);
  for (uint32_t i = 0; i < doublings && delay < max; ++i) delay = std::min(delay * 2, max);
  return delay;
}

Duration RetryDelay(const RetryPolicy& policy, uint32_t attempts, std::optional<Duration> asked,
                    bool ordered, Random& random) {
  if (asked) return std::clamp(*asked, Duration::zero(), ordered ? policy.max : kLongest);
  const Duration base = Backoff(policy.initial, attempts > 0 ? attempts - 1 : 0, policy.max);
  const double stretch = 1.0 + policy.jitter * random.Uniform();
  return Duration(static_cast<int64_t>(static_cast<double>(base.count()) * stretch));
}

}  // namespace outboard::lane
