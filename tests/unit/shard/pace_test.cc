#include "host/shard/pace.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>

namespace outboard::shard {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kStart{std::chrono::hours(1)};

// Looks each tenth of a millisecond for so long; the time of the last one.
Time LookAround(Pace* pace, Time from, Duration length, uint64_t found) {
  Time now = from;
  for (; now < from + length; now += microseconds(100)) pace->Looked(found, now);
  return now - microseconds(100);
}

TEST(PaceTest, NeverRestsAtLowRates) {
  Pace pace;
  EXPECT_EQ(pace.Rest(std::nullopt, kStart), Duration::zero());
  Time now = kStart;
  for (int i = 0; i < 1000; ++i) {
    now += milliseconds(1);
    pace.Looked(2, now);  // 1,000 events a second.
    EXPECT_EQ(pace.Rest(std::nullopt, now), Duration::zero());
  }
}

TEST(PaceTest, RestsUnderLoadUntilAMillisecondAfterTheLastLook) {
  Pace pace;
  const Time last = LookAround(&pace, kStart, milliseconds(30), 8);
  EXPECT_EQ(pace.Rest(std::nullopt, last), milliseconds(1));
  EXPECT_EQ(pace.Rest(std::nullopt, last + microseconds(400)), microseconds(600));
  EXPECT_EQ(pace.Rest(std::nullopt, last + milliseconds(1)), Duration::zero());
}

TEST(PaceTest, ARestOfAFewMicrosecondsIsNone) {
  Pace pace;
  const Time last = LookAround(&pace, kStart, milliseconds(30), 8);
  EXPECT_EQ(pace.Rest(std::nullopt, last + microseconds(950)), microseconds(50));
  EXPECT_EQ(pace.Rest(std::nullopt, last + microseconds(951)), Duration::zero());
}

TEST(PaceTest, NoPluginRunsOutOfWorkMeanwhile) {
  Pace pace;
  const Time last = LookAround(&pace, kStart, milliseconds(30), 8);
  EXPECT_EQ(pace.Rest(0, last), Duration::zero());
  EXPECT_EQ(pace.Rest(8, last), Duration::zero());
  EXPECT_EQ(pace.Rest(100, last), microseconds(200));
  EXPECT_EQ(pace.Rest(1'000'000, last), milliseconds(1));
}

TEST(PaceTest, TheFirstEventAfterAQuietTimeIsHandledAtOnce) {
  Pace pace;
  const Time last = LookAround(&pace, kStart, milliseconds(30), 8);
  const Time later = last + seconds(1);
  pace.Looked(1, later);
  EXPECT_EQ(pace.Rest(std::nullopt, later), Duration::zero());
}

TEST(PaceTest, StopsRestingWhenTheLoadIsOver) {
  Pace pace;
  Time last = LookAround(&pace, kStart, milliseconds(30), 8);
  last = LookAround(&pace, last + microseconds(100), milliseconds(30), 0);
  EXPECT_EQ(pace.Rest(std::nullopt, last), Duration::zero());
}

}  // namespace
}  // namespace outboard::shard
