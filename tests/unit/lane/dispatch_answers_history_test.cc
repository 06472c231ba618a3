// What a dead letter says of the turns that its event had.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/lane/item.h"
#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(DispatchAnswersTest, ADeadLetterHasTheTurnsBeforeAndThePluginsVersion) {
  DispatcherOptions options = OneOrderedLane();
  options.lanes[0].retry.max_attempts = 3;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(1, {.key = "a"});
  h.RetryAfter("e1", seconds(1), "BUSY");
  EXPECT_THAT(h.Settlements(), IsEmpty()) << "it waits in memory";
  h.Advance(seconds(1));
  h.Advance(options.time_limit);
  h.Done("e1");  // Late: the key is free.
  h.Advance(seconds(10));
  h.Reject("e1", "NO_SUCH_STORY");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead NO_SUCH_STORY"));
  const bus::Settlement& settlement = h.SettlementOf("e1");
  EXPECT_EQ(settlement.dead->version, "v1");
  ASSERT_NE(settlement.tried, nullptr);
  ASSERT_THAT(*settlement.tried, SizeIs(3));
  const std::vector<bus::Attempt>& tried = *settlement.tried;
  EXPECT_EQ(tried[0].outcome, "retry");
  EXPECT_EQ(tried[0].reason, "BUSY");
  EXPECT_EQ(tried[0].version, "v1");
  EXPECT_EQ(tried[1].outcome, "deadline");
  EXPECT_EQ(tried[1].at, tried[0].at + seconds(1) + options.time_limit);
  EXPECT_EQ(tried[2].outcome, "reject");
  EXPECT_EQ(tried[2].message, "message");
}

TEST(DispatchAnswersTest, ARetryTellsTheBusOfItsTurnAlone) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2);
  h.RetryAfter("e1", seconds(2), "BUSY");
  ASSERT_NE(h.SettlementOf("e1").tried, nullptr);
  ASSERT_THAT(*h.SettlementOf("e1").tried, SizeIs(1));
  EXPECT_EQ(h.SettlementOf("e1").tried->front().reason, "BUSY");
  h.Done("e2");
  EXPECT_EQ(h.SettlementOf("e2").tried, nullptr) << "what goes well has no history";
}

TEST(DispatchAnswersTest, OnlyTheLastTurnsAreKept) {
  DispatcherOptions options = OneOrderedLane();
  options.lanes[0].retry.max_attempts = 40;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(1, {.key = "a"});
  for (int i = 0; i < 30; ++i) {
    h.RetryAfter("e1", seconds(1), "R" + std::to_string(i));
    h.Advance(seconds(1));
  }
  h.Reject("e1", "LAST");
  ASSERT_NE(h.SettlementOf("e1").tried, nullptr);
  const std::vector<bus::Attempt>& tried = *h.SettlementOf("e1").tried;
  ASSERT_EQ(tried.size(), kMaxTried);
  EXPECT_EQ(tried.back().reason, "LAST");
  EXPECT_EQ(tried.front().reason, "R15");
}

}  // namespace
}  // namespace outboard::lane
