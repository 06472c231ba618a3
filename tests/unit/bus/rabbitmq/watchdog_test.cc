#include "host/bus/rabbitmq/watchdog.h"

#include <gtest/gtest.h>

namespace outboard::bus::rabbitmq {
namespace {

using std::chrono::seconds;

class WatchdogTest : public ::testing::Test {
 protected:
  void SetUp() override { watchdog_.Calm(now_); }
  // A look, as soon as one is due.
  bool Look(uint32_t ready, bool maybe_standby = false) {
    EXPECT_NE(watchdog_.look_at(), Steady::max()) << "an answer is still to come";
    now_ = watchdog_.look_at();
    watchdog_.Ask();
    return watchdog_.Saw({ready, maybe_standby}, now_);
  }

  Watchdog watchdog_{seconds(30)};
  Steady now_ = Steady{} + seconds(1000);
};

TEST_F(WatchdogTest, LooksOnlyAfterASilence) {
  EXPECT_EQ(watchdog_.look_at(), now_ + seconds(30));
  now_ += seconds(29);
  watchdog_.Heard(now_);
  EXPECT_EQ(watchdog_.look_at(), now_ + seconds(30));
}

TEST_F(WatchdogTest, AQuietQueueIsLookedAtNowAndThen) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(Look(0));
    EXPECT_EQ(watchdog_.look_at(), now_ + seconds(30));
  }
}

TEST_F(WatchdogTest, MessagesAtTwoLooksMeanThatTheConsumerIsForgotten) {
  EXPECT_FALSE(Look(7));
  EXPECT_LT(watchdog_.look_at(), now_ + seconds(30));
  EXPECT_TRUE(Look(7));
}

TEST_F(WatchdogTest, MessagesAtOneLookMeanNothing) {
  EXPECT_FALSE(Look(7));
  EXPECT_FALSE(Look(0));
  EXPECT_FALSE(Look(7));
  watchdog_.Heard(now_);
  EXPECT_FALSE(Look(7));
}

TEST_F(WatchdogTest, AnAnswerThatCameAfterAMessageMeansNothing) {
  EXPECT_FALSE(Look(7));
  now_ = watchdog_.look_at();
  watchdog_.Ask();
  EXPECT_EQ(watchdog_.look_at(), Steady::max()) << "one look at a time";
  watchdog_.Heard(now_);
  EXPECT_FALSE(watchdog_.Saw({7, false}, now_));
  EXPECT_EQ(watchdog_.look_at(), now_ + seconds(30));
}

TEST_F(WatchdogTest, AStandbyGetsNothingForALongTime) {
  const Steady from = now_;
  while (now_ < from + seconds(570)) EXPECT_FALSE(Look(7, true));
  EXPECT_FALSE(Look(7, true));
  EXPECT_TRUE(Look(7, true)) << "it may have been forgotten too";
  EXPECT_GE(now_, from + seconds(600));
}

TEST_F(WatchdogTest, OneThatHasGotSomethingIsNoStandby) {
  watchdog_.Heard(now_);
  EXPECT_FALSE(Look(7, true));
  EXPECT_TRUE(Look(7, true));
}

}  // namespace
}  // namespace outboard::bus::rabbitmq
