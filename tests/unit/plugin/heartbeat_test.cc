#include "host/plugin/heartbeat.h"

#include <gtest/gtest.h>

namespace outboard::plugin {
namespace {

using std::chrono::seconds;

const absl::Status kSilent = absl::DeadlineExceededError("no answer");

class HeartbeatTest : public ::testing::Test {
 protected:
  void Pass(Duration time) { now_ += time; }
  bool OnTime(bool idle = true) { return heartbeat_.OnTime(now_, idle); }
  bool OnAnswer(const absl::Status& health, bool idle = true) {
    return heartbeat_.OnAnswer(now_, health, idle);
  }

  Time now_{seconds(1000)};
  Heartbeat heartbeat_{now_};
};

TEST_F(HeartbeatTest, AsksAnIdleInstanceOnceAMinute) {
  Pass(seconds(59));
  EXPECT_FALSE(OnTime());
  Pass(seconds(1));
  EXPECT_EQ(heartbeat_.due(), now_);
  EXPECT_TRUE(OnTime());
  EXPECT_EQ(heartbeat_.due(), kNever) << "one question at a time";
  EXPECT_FALSE(OnTime());
  Pass(seconds(2));
  EXPECT_TRUE(OnAnswer(absl::OkStatus()));
  EXPECT_EQ(heartbeat_.due(), now_ + seconds(60));
}

TEST_F(HeartbeatTest, AsksNothingWhileDeliveriesAreInFlight) {
  Pass(seconds(60));
  EXPECT_FALSE(OnTime(/*idle=*/false));
  EXPECT_EQ(heartbeat_.due(), now_ + seconds(60));
}

TEST_F(HeartbeatTest, AFrameOfTheInstanceIsASignOfLife) {
  Pass(seconds(40));
  heartbeat_.OnFrame(now_);
  Pass(seconds(20));
  EXPECT_FALSE(OnTime());
  Pass(seconds(40));
  EXPECT_TRUE(OnTime());
}

TEST_F(HeartbeatTest, AnIdleInstanceThatDoesNotAnswerIsNotAlive) {
  Pass(seconds(60));
  ASSERT_TRUE(OnTime());
  Pass(seconds(30));
  EXPECT_FALSE(OnAnswer(kSilent));
}

TEST_F(HeartbeatTest, AnInstanceThatSaysThatItDoesNotServeIsNotAlive) {
  Pass(seconds(60));
  ASSERT_TRUE(OnTime());
  EXPECT_FALSE(OnAnswer(absl::FailedPreconditionError("NOT_SERVING")));
}

TEST_F(HeartbeatTest, SilenceDoesNotCountOnceDeliveriesAreInFlight) {
  Pass(seconds(60));
  ASSERT_TRUE(OnTime());
  Pass(seconds(30));
  EXPECT_TRUE(OnAnswer(kSilent, /*idle=*/false));
  EXPECT_EQ(heartbeat_.due(), now_ + seconds(60));
}

TEST_F(HeartbeatTest, SilenceDoesNotCountWhereAFrameCameMeanwhile) {
  Pass(seconds(60));
  ASSERT_TRUE(OnTime());
  Pass(seconds(10));
  heartbeat_.OnFrame(now_);
  Pass(seconds(20));
  EXPECT_TRUE(OnAnswer(kSilent));
}

}  // namespace
}  // namespace outboard::plugin
