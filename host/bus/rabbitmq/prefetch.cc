#include "host/bus/rabbitmq/prefetch.h"

#include <algorithm>
#include <chrono>

namespace outboard::bus::rabbitmq {
namespace {

constexpr double kWeight = 0.02;  // Of the newest size in the average.
constexpr auto kGrowEvery = std::chrono::seconds(10);

}  // namespace

void Prefetch::Delivered(size_t bytes) {
  const auto size = static_cast<double>(bytes);
  average_ = average_ == 0 ? size : average_ + kWeight * (size - average_);
}

uint16_t Prefetch::Wanted() const {
  const double fit = static_cast<double>(budget_) / std::max(average_, 1.0);
  return static_cast<uint16_t>(std::clamp(fit, 1.0, static_cast<double>(most_)));
}

std::optional<uint16_t> Prefetch::Change(uint64_t held, Steady at) {
  if (average_ == 0 || (held <= budget_ && now_ == most_)) return std::nullopt;
  const uint16_t wanted = Wanted();
  // By half at least, so that sizes that vary do not change it again and again.
  const bool shrink = held > budget_ && wanted <= now_ / 2;
  const bool grow = at >= grow_at_ && wanted / 2 >= now_;
  if (!shrink && !grow) return std::nullopt;
  grow_at_ = at + kGrowEvery;
  now_ = wanted;
  return now_;
}

}  // namespace outboard::bus::rabbitmq
