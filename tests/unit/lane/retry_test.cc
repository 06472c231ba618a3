#include "host/lane/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace outboard::lane {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

RetryPolicy Policy(double jitter = 0) {
  RetryPolicy policy;
  policy.initial = seconds(1);
  policy.max = seconds(10);
  policy.jitter = jitter;
  return policy;
}

TEST(RandomTest, GivesTheSameNumbersForTheSameSeed) {
  Random a(7), b(7), c(8);
  const uint64_t first = a.Next();
  EXPECT_EQ(first, b.Next());
  EXPECT_NE(first, c.Next());
  // Splitmix64's published first output for seed 0.
  EXPECT_EQ(Random(0).Next(), 0xE220A8397B1DCDAFu);
}

TEST(RandomTest, UniformFillsTheRangeFromZeroUpToOne) {
  Random random(3);
  double least = 1, most = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double u = random.Uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    least = std::min(least, u);
    most = std::max(most, u);
  }
  EXPECT_LT(least, 0.01);
  EXPECT_GT(most, 0.99);
}

TEST(BackoffTest, DoublesUpToTheMaximum) {
  EXPECT_EQ(Backoff(seconds(1), 0, seconds(10)), seconds(1));
  EXPECT_EQ(Backoff(seconds(1), 1, seconds(10)), seconds(2));
  EXPECT_EQ(Backoff(seconds(1), 3, seconds(10)), seconds(8));
  EXPECT_EQ(Backoff(seconds(1), 4, seconds(10)), seconds(10));
  EXPECT_EQ(Backoff(seconds(1), 4'000'000'000u, seconds(10)), seconds(10));
}

TEST(BackoffTest, AnInitialAboveTheMaximumIsCutToIt) {
  EXPECT_EQ(Backoff(minutes(1), 0, seconds(10)), seconds(10));
}

TEST(RetryDelayTest, GrowsWithTheCountedAttempts) {
  Random random(1);
  EXPECT_EQ(RetryDelay(Policy(), 1, {}, false, random), seconds(1));
  EXPECT_EQ(RetryDelay(Policy(), 2, {}, false, random), seconds(2));
  EXPECT_EQ(RetryDelay(Policy(), 4, {}, false, random), seconds(8));
  EXPECT_EQ(RetryDelay(Policy(), 12, {}, false, random), seconds(10));
}

TEST(RetryDelayTest, JitterStretchesByARandomShare) {
  Random random(1);
  std::set<Duration> seen;
  for (int i = 0; i < 200; ++i) {
    const Duration delay = RetryDelay(Policy(0.2), 1, {}, false, random);
    ASSERT_GE(delay, seconds(1));
    ASSERT_LT(delay, milliseconds(1200));
    seen.insert(delay);
  }
  EXPECT_GT(seen.size(), 150u);
  EXPECT_LT(*seen.begin(), milliseconds(1020));
  EXPECT_GT(*seen.rbegin(), milliseconds(1180));
}

TEST(RetryDelayTest, JitterRepeatsWithItsSeed) {
  Random a(42), b(42);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(RetryDelay(Policy(0.5), 3, {}, true, a), RetryDelay(Policy(0.5), 3, {}, true, b));
  }
}

TEST(RetryDelayTest, KeepsWhatWasAskedForWithoutJitter) {
  Random random(1);
  EXPECT_EQ(RetryDelay(Policy(0.5), 7, milliseconds(1234), false, random), milliseconds(1234));
  EXPECT_EQ(RetryDelay(Policy(0.5), 7, Duration::zero(), true, random), Duration::zero());
}

TEST(RetryDelayTest, CutsWhatWasAskedForToThePolicysMaximumOnOrderedLanes) {
  Random random(1);
  EXPECT_EQ(RetryDelay(Policy(), 1, minutes(5), true, random), seconds(10));
}

TEST(RetryDelayTest, CutsWhatWasAskedForToADayElsewhere) {
  Random random(1);
  EXPECT_EQ(RetryDelay(Policy(), 1, hours(23), false, random), hours(23));
  EXPECT_EQ(RetryDelay(Policy(), 1, hours(100), false, random), hours(24));
}

TEST(RetryDelayTest, NeverLiesInThePast) {
  Random random(1);
  EXPECT_EQ(RetryDelay(Policy(), 1, seconds(-5), false, random), Duration::zero());
}

}  // namespace
}  // namespace outboard::lane
