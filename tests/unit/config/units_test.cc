#include "host/config/units.h"

#include <gtest/gtest.h>

namespace outboard::config {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(UnitsTest, ReadsDurations) {
  EXPECT_EQ(*ParseDuration("500ms"), milliseconds(500));
  EXPECT_EQ(*ParseDuration("250us"), microseconds(250));
  EXPECT_EQ(*ParseDuration("1s"), seconds(1));
  EXPECT_EQ(*ParseDuration("5m"), minutes(5));
  EXPECT_EQ(*ParseDuration("2h"), hours(2));
  EXPECT_EQ(*ParseDuration("7d"), hours(24 * 7));
  EXPECT_EQ(*ParseDuration("1.5s"), milliseconds(1500));
  EXPECT_EQ(*ParseDuration("1h30m"), minutes(90));
  EXPECT_EQ(*ParseDuration("0"), Duration(0));
}

TEST(UnitsTest, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "5", "s", "5 s", "-1s", "1.2.3s", "5x", "5m5m", "1s1h", "1e3s",
                           "nan", "inf", "999999999999d", "5min"}) {
    const absl::StatusOr<Duration> duration = ParseDuration(text);
    EXPECT_EQ(duration.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(UnitsTest, WritesDurationsInTheFormThatItReads) {
  for (const char* text : {"0s", "500ms", "1s", "90s", "5m", "2h", "7d", "1500ms", "3us"}) {
    EXPECT_EQ(FormatDuration(*ParseDuration(text)), text);
  }
  EXPECT_EQ(FormatDuration(seconds(60)), "1m");
}

TEST(UnitsTest, ReadsSizes) {
  EXPECT_EQ(*ParseSize("0"), 0u);
  EXPECT_EQ(*ParseSize("1048576"), 1048576u);
  EXPECT_EQ(*ParseSize("64MiB"), 64u << 20);
  EXPECT_EQ(*ParseSize("1GiB"), 1u << 30);
  EXPECT_EQ(*ParseSize("1.5KiB"), 1536u);
  EXPECT_EQ(*ParseSize("2 TiB"), uint64_t{2} << 40);
  EXPECT_EQ(*ParseSize("18446744073709551615"), ~uint64_t{0});
}

TEST(UnitsTest, RefusesWhatIsNoSizeOrCanBeTakenInTwoWays) {
  for (const char* text :
       {"", "MiB", "-1", "+1", "64MB", "64M", "1.5", "1e9", "99999999TiB", "1.0001KiB"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
}

TEST(UnitsTest, WritesSizesInTheLargestExactUnit) {
  EXPECT_EQ(FormatSize(64 << 20), "64MiB");
  EXPECT_EQ(FormatSize(1536), "1536");
  EXPECT_EQ(FormatSize(0), "0");
}

TEST(UnitsTest, ReadsTimes) {
  EXPECT_EQ(*ParseTime("1970-01-01T00:00:01.5Z"), Time(milliseconds(1500)));
  EXPECT_EQ(*ParseTime("1970-01-01T01:00:00+01:00"), Time(Duration(0)));
  for (const char* text : {"", "today", "2026-01-31", "infinite-future", "2026-13-01T00:00:00Z"}) {
    EXPECT_FALSE(ParseTime(text).ok()) << text;
  }
}

}  // namespace
}  // namespace outboard::config
