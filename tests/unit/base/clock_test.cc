#include "host/base/clock.h"

#include <gtest/gtest.h>

namespace outboard {
namespace {

using std::chrono::seconds;

TEST(RealClockTest, StartsAtTheWallClock) {
  const auto before = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  const Time now = RealClock().Now();
  // An hour of room: the machine's clock may be stepped between the two readings.
  EXPECT_GT(now, before - std::chrono::hours(1));
  EXPECT_LT(now, before + std::chrono::hours(1));
}

TEST(RealClockTest, NeverGoesBackwards) {
  const RealClock clock;
  Time last = clock.Now();
  for (int i = 0; i < 10'000; ++i) {
    const Time now = clock.Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(ManualClockTest, StandsStillUntilTold) {
  ManualClock clock(Time(seconds(100)));
  EXPECT_EQ(clock.Now(), Time(seconds(100)));
  EXPECT_EQ(clock.Now(), Time(seconds(100)));
  clock.Advance(seconds(5));
  EXPECT_EQ(clock.Now(), Time(seconds(105)));
  clock.Set(Time(seconds(42)));
  EXPECT_EQ(clock.Now(), Time(seconds(42)));
}

TEST(TimeTest, NeverIsAfterEveryOtherTime) {
  EXPECT_GT(kNever, RealClock().Now() + std::chrono::years(1000));
}

}  // namespace
}  // namespace outboard
