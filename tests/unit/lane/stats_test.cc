#include "host/lane/stats.h"

#include <gtest/gtest.h>

#include <numeric>

#include "host/lane/io.h"

namespace outboard::lane {
namespace {

TEST(DurationsTest, ABucketTakesWhatIsAtMostItsBound) {
  Durations durations;
  durations.Add(std::chrono::microseconds(100));
  durations.Add(std::chrono::microseconds(101));
  durations.Add(std::chrono::seconds(300));
  durations.Add(std::chrono::seconds(301));
  EXPECT_EQ(durations.counts[0], 1u);
  EXPECT_EQ(durations.counts[1], 1u);
  EXPECT_EQ(durations.counts[Durations::kBounds.size() - 1], 1u);
  EXPECT_EQ(durations.counts.back(), 1u);
  EXPECT_EQ(std::accumulate(durations.counts.begin(), durations.counts.end(), uint64_t{0}), 4u);
  EXPECT_NEAR(durations.sum, 601.000201, 1e-9);
}

TEST(DurationsTest, BoundsRise) {
  for (size_t i = 1; i < Durations::kBounds.size(); ++i) {
    EXPECT_LT(Durations::kBounds[i - 1], Durations::kBounds[i]);
  }
}

TEST(EffectsTest, ClearForgetsAllAndWantsNoWaking) {
  Effects effects;
  effects.frames.emplace_back();
  effects.wake_at = Time(std::chrono::seconds(1));
  effects.wants_quarantine = effects.drained = true;
  effects.Clear();
  EXPECT_TRUE(effects.frames.empty());
  EXPECT_EQ(effects.wake_at, kNever);
  EXPECT_FALSE(effects.wants_quarantine);
  EXPECT_FALSE(effects.drained);
}

}  // namespace
}  // namespace outboard::lane
