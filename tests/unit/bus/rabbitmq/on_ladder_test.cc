#include "host/bus/rabbitmq/on_ladder.h"

#include <gtest/gtest.h>

namespace outboard::bus::rabbitmq {
namespace {

using std::chrono::seconds;

const Steady kNow{seconds(1000)};
const Time kDue{seconds(70)};

TEST(OnLadderTest, EachComesBackOnce) {
  OnLadder retries;
  retries.Add(kDue, seconds(1), kNow);
  retries.Add(kDue, seconds(1), kNow);
  retries.Add(kDue + seconds(1), seconds(2), kNow);
  EXPECT_EQ(retries.Count(kNow), 3u);
  retries.Remove(kDue);
  EXPECT_EQ(retries.Count(kNow), 2u);
  retries.Remove(kDue + seconds(9));
  EXPECT_EQ(retries.Count(kNow), 2u) << "somebody else's";
}

TEST(OnLadderTest, WhatIsLateIsNotCountedAnyMore) {
  OnLadder retries;
  retries.Add(kDue, seconds(1), kNow);
  retries.Add(kDue + seconds(60), seconds(61), kNow);
  EXPECT_EQ(retries.Count(kNow + OnLadder::kLate), 2u);
  EXPECT_EQ(retries.Count(kNow + seconds(1) + OnLadder::kLate), 1u);
  EXPECT_EQ(retries.Count(kNow + seconds(61) + OnLadder::kLate), 0u);
}

}  // namespace
}  // namespace outboard::bus::rabbitmq
