#include "host/bus/rabbitmq/ladder.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace outboard::bus::rabbitmq {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(LadderTest, ADelayIsRoundedUpToARung) {
  const std::vector<Duration> rungs = {seconds(1), seconds(5), minutes(1)};
  EXPECT_EQ(RungFor(Duration(0), rungs), seconds(1));
  EXPECT_EQ(RungFor(seconds(1), rungs), seconds(1));
  EXPECT_EQ(RungFor(milliseconds(1001), rungs), seconds(5));
  EXPECT_EQ(RungFor(seconds(59), rungs), minutes(1));
}

TEST(LadderTest, WhatWaitsLongerThanTheLongestRungTakesThat) {
  EXPECT_EQ(RungFor(hours(3), DefaultRungs()), DefaultRungs().back());
}

TEST(LadderTest, TheRungsAscend) {
  const std::vector<Duration> rungs = DefaultRungs();
  EXPECT_TRUE(std::is_sorted(rungs.begin(), rungs.end()));
}

}  // namespace
}  // namespace outboard::bus::rabbitmq
