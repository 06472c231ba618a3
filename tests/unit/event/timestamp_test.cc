#include "host/event/timestamp.h"

#include <gtest/gtest.h>

#include <random>

namespace outboard {
namespace {

TEST(TimestampTest, WritesAsManyDigitsAsAreNeeded) {
  EXPECT_EQ(FormatTimestamp({0, 0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatTimestamp({1'769'860'800, 120'000'000}), "2026-01-31T12:00:00.120Z");
  EXPECT_EQ(FormatTimestamp({1'769'860'800, 5'000}), "2026-01-31T12:00:00.000005Z");
  EXPECT_EQ(FormatTimestamp({1'769'860'800, 1}), "2026-01-31T12:00:00.000000001Z");
  EXPECT_EQ(FormatTimestamp({-1, 999'000'000}), "1969-12-31T23:59:59.999Z");
}

TEST(TimestampTest, KnowsTheEndsOfItsRange) {
  EXPECT_EQ(FormatTimestamp({-62'135'596'800, 0}), "0001-01-01T00:00:00Z");
  EXPECT_EQ(FormatTimestamp({253'402'300'799, 999'999'999}), "9999-12-31T23:59:59.999999999Z");
  EXPECT_TRUE(IsValidTimestamp({-62'135'596'800, 0}));
  EXPECT_FALSE(IsValidTimestamp({-62'135'596'801, 0}));
  EXPECT_TRUE(IsValidTimestamp({253'402'300'799, 999'999'999}));
  EXPECT_FALSE(IsValidTimestamp({253'402'300'800, 0}));
  EXPECT_FALSE(IsValidTimestamp({0, -1}));
  EXPECT_FALSE(IsValidTimestamp({0, 1'000'000'000}));
}

TEST(TimestampTest, ReadsOffsetsFractionsAndSmallLetters) {
  const Timestamp noon{1'769'860'800, 0};
  EXPECT_EQ(ParseTimestamp("2026-01-31T12:00:00Z"), noon);
  EXPECT_EQ(ParseTimestamp("2026-01-31t12:00:00z"), noon);
  EXPECT_EQ(ParseTimestamp("2026-01-31T13:30:00+01:30"), noon);
  EXPECT_EQ(ParseTimestamp("2026-01-31T04:00:00-08:00"), noon);
  EXPECT_EQ(ParseTimestamp("2026-01-31T12:00:00.5Z"), (Timestamp{1'769'860'800, 500'000'000}));
  EXPECT_EQ(ParseTimestamp("2026-01-31T12:00:00.1234567899Z"),
            (Timestamp{1'769'860'800, 123'456'789}));
  EXPECT_EQ(ParseTimestamp("2016-12-31T23:59:60Z"), ParseTimestamp("2017-01-01T00:00:00Z"));
  EXPECT_EQ(ParseTimestamp("2024-02-29T00:00:00Z"), (Timestamp{1'709'164'800, 0}));
}

TEST(TimestampTest, RefusesWhatIsNoRfc3339) {
  for (const char* text : {"",
                           "2026",
                           "2026-01-31",
                           "2026-01-31T12:00:00",
                           "2026-01-31 12:00:00Z",
                           "2026-1-31T12:00:00Z",
                           "2026-02-30T12:00:00Z",
                           "2025-02-29T12:00:00Z",
                           "2026-13-01T12:00:00Z",
                           "2026-00-01T12:00:00Z",
                           "2026-01-31T24:00:00Z",
                           "2026-01-31T12:60:00Z",
                           "2026-01-31T12:00:61Z",
                           "2026-01-31T12:00:00.Z",
                           "2026-01-31T12:00:00+1:00",
                           "2026-01-31T12:00:00+24:00",
                           "2026-01-31T12:00:00ZZ",
                           "2026-01-31T12:00:00+0100",
                           "+026-01-31T12:00:00Z",
                           "0000-12-31T23:59:59Z",
                           "0001-01-01T00:00:00+00:01",
                           "9999-12-31T23:59:59-00:01",
                           "9999-12-31T23:59:60Z"}) {
    EXPECT_EQ(ParseTimestamp(text), std::nullopt) << text;
  }
}

TEST(TimestampTest, ReadsBackWhatItWrites) {
  std::mt19937_64 random(11);
  std::uniform_int_distribution<int64_t> seconds(-62'135'596'800, 253'402'300'799);
  for (int i = 0; i < 20'000; ++i) {
    Timestamp t{seconds(random), static_cast<int32_t>(random() % 1'000'000'000)};
    if (i % 3 == 0) t.nanos -= t.nanos % 1'000'000;
    ASSERT_EQ(ParseTimestamp(FormatTimestamp(t)), t) << FormatTimestamp(t);
  }
}

}  // namespace
}  // namespace outboard
