// An outage is told from poison: the lane probes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class DispatchProbingTest : public ::testing::Test {
 protected:
  static DispatcherOptions Options(DispatcherOptions options = OneLane()) {
    options.probe_after = 4;
    options.probe_events = 3;
    options.probe_max = seconds(4);
    return options;
  }
  // The lane probes: e1 to e4 failed, e5 is kept and goes at once or in a second.
  static void BeginProbing(DispatcherHarness& h, int more = 3) {
    SessionUp session = Session(1);
    session.max_in_flight = 4;
    h.Up(session);
    h.Deliver(4 + more);
    h.Retry("e1", "e2", "e3", "e4");
  }
};

TEST_F(DispatchProbingTest, BeginsWhenAllLastOutcomesFailedAndGivesBackAllButOne) {
  DispatcherHarness h(Options());
  BeginProbing(h);
  EXPECT_THAT(h.Notices(), ElementsAre("probe started"));
  EXPECT_TRUE(h.stats().probing);
  EXPECT_THAT(h.Settlements(),
              ElementsAre("e1 retry in 1000 ms", "e2 retry in 1000 ms", "e3 retry in 1000 ms",
                          "e4 retry in 1000 ms", "e6 returned", "e7 returned"));
  EXPECT_EQ(h.Credit(), 0u);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2 e3 e4"));
}

TEST_F(DispatchProbingTest, TriesOneAtATimeWithGrowingDelaysAndCountsNothing) {
  DispatcherHarness h(Options());
  BeginProbing(h);
  h.ForgetOutput();
  for (const Duration wait : {seconds(1), seconds(2), seconds(4), seconds(4)}) {
    h.Advance(wait - milliseconds(1));
    EXPECT_THAT(h.Sent(), IsEmpty());
    h.Advance(milliseconds(1));
    EXPECT_THAT(h.Sent(), ElementsAre("1: e5"));
    EXPECT_EQ(h.Credit(), 0u);
    h.Retry("e5");
    EXPECT_EQ(h.SettlementOf("e5").attempts, 0u);
    EXPECT_EQ(h.Credit(), 1u);
    h.DeliverAgain("e5");
    EXPECT_EQ(h.Credit(), 0u);
  }
}

TEST_F(DispatchProbingTest, EndsWithADone) {
  DispatcherHarness h(Options());
  BeginProbing(h);
  h.Advance(seconds(1));
  h.ForgetOutput();
  h.Done("e5");
  EXPECT_THAT(h.Notices(), ElementsAre("probe ended"));
  EXPECT_FALSE(h.stats().probing);
  EXPECT_GT(h.Credit(), 1u);
  h.Deliver(2);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e8 e9"));
}

TEST_F(DispatchProbingTest, EndsWithARejectButNotWithARelease) {
  DispatcherHarness h(Options());
  BeginProbing(h);
  h.Advance(seconds(1));
  h.Release("e5");
  EXPECT_TRUE(h.stats().probing);
  h.Advance(milliseconds(100));
  h.Reject("e5");
  EXPECT_FALSE(h.stats().probing);
}

TEST_F(DispatchProbingTest, ADeadlineContinuesItUncounted) {
  DispatcherHarness h(Options());
  BeginProbing(h);
  h.Advance(seconds(1));
  h.Advance(seconds(30));
  EXPECT_TRUE(h.stats().probing);
  EXPECT_EQ(h.SettlementOf("e5").attempts, 0u);
}

TEST_F(DispatchProbingTest, AfterItsLimitAttemptsAreCountedAgain) {
  DispatcherOptions options = Options();
  options.lanes[0].retry.probe_limit = seconds(10);
  DispatcherHarness h(options);
  BeginProbing(h);
  h.Advance(seconds(10));
  h.Retry("e5");
  EXPECT_EQ(h.SettlementOf("e5").attempts, 0u);
  h.Deliver(1);
  h.Advance(seconds(2));
  h.Retry("e8");
  EXPECT_EQ(h.SettlementOf("e8").attempts, 1u);
  EXPECT_TRUE(h.stats().probing) << "still one at a time";
}

TEST_F(DispatchProbingTest, FewEventsAreNoOutage) {
  DispatcherHarness h(Options());
  h.Up(Session(1));
  h.Deliver(2);
  for (int i = 0; i < 10; ++i) {
    h.Retry("e1", "e2");
    h.DeliverAgain("e1");
    h.DeliverAgain("e2");
    h.Advance(milliseconds(1));
  }
  EXPECT_FALSE(h.stats().probing);
}

TEST_F(DispatchProbingTest, OneGoodAnswerAmongThemIsNoOutage) {
  DispatcherHarness h(Options());
  h.Up(Session(1));
  h.Deliver(7);
  h.Retry("e1", "e2", "e3");
  h.Done("e4");
  h.Retry("e5", "e6", "e7");
  EXPECT_FALSE(h.stats().probing);
}

TEST_F(DispatchProbingTest, DeadlinesAreOutcomesAndLostSessionsAreNone) {
  DispatcherHarness h(Options());
  h.Up(Session(1));
  h.Deliver(4);
  h.Crash(1);
  EXPECT_FALSE(h.stats().probing);
  DispatcherHarness late(Options());
  late.Up(Session(1));
  late.Deliver(4);
  late.Advance(seconds(30));
  EXPECT_TRUE(late.stats().probing);
}

TEST_F(DispatchProbingTest, ALaterEventOfAKeyGoesBackWithTheOneThatFailed) {
  DispatcherOptions options = Options(OneOrderedLane());
  options.probe_after = 1;
  options.probe_events = 1;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(3, {.key = "k"});
  h.ForgetOutput();
  h.Retry("e1");
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e1 returned", "e2 returned", "e3 returned"));
  EXPECT_EQ(h.Credit(), 1u);
  h.DeliverAgain("e1", {.key = "k"});
  h.Advance(seconds(1));
  h.Retry("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 returned"));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
}

TEST_F(DispatchProbingTest, WhatARunReleasesGoesBackWithTheOneThatFailed) {
  DispatcherOptions options = Options(OneOrderedLane());
  options.probe_after = 1;
  options.probe_events = 1;
  DispatcherHarness h(options);
  h.Deliver(3, {.key = "k"});
  h.Up(InOrderSession(1));
  h.Retry("e1");
  h.Release("e2", "e3");
  h.Advance(seconds(60));
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e1 returned", "e2 returned", "e3 returned"));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2 e3")) << "e2 must not go before e1 came again";
}

TEST_F(DispatchProbingTest, ALaterOneOfARunThatIsDueTooGoesBackWithTheReadyOne) {
  DispatcherHarness h(Options(OneOrderedLane()));
  h.Up(InOrderSession(1));
  h.Deliver(2, {.key = "k"});
  h.Deliver(2);
  h.RetryAfter("e1", milliseconds(100));
  h.RetryAfter("e2", milliseconds(100));
  h.Window(1, 0);
  h.Deliver(1);
  h.Advance(milliseconds(100));  // e5 and e1 are ready, e2 waits for e1.
  h.ForgetOutput();
  h.Retry("e3", "e4");
  EXPECT_TRUE(h.stats().probing);
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e3 retry in 1000 ms", "e4 retry in 1000 ms",
                                                    "e1 returned", "e2 returned"));
}

TEST_F(DispatchProbingTest, SoItDoesIfProbingIsOverWhenItIsReleased) {
  DispatcherOptions options = Options(OneOrderedLane());
  options.probe_after = 1;
  options.probe_events = 1;
  DispatcherHarness h(options);
  h.Deliver(3, {.key = "k"});
  h.Deliver(1);
  h.Up(InOrderSession(1));
  h.Retry("e1");
  h.Done("e4");
  EXPECT_FALSE(h.stats().probing);
  h.Release("e2");
  h.Retry("e3");
  h.Advance(seconds(60));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 returned", "e4 done", "e2 returned", "e3 returned"));
  h.ForgetOutput();
  h.DeliverAgain("e1", {.key = "k"});
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
}

TEST_F(DispatchProbingTest, AndIfItsSessionIsDrained) {
  DispatcherOptions options = Options(OneOrderedLane());
  options.probe_after = 1;
  options.probe_events = 1;
  DispatcherHarness h(options);
  h.Deliver(2, {.key = "k"});
  h.Up(InOrderSession(1));
  h.Retry("e1");
  h.Down(1, DownCause::kDrained);
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 returned", "e2 returned"));
}

TEST_F(DispatchProbingTest, TheLaneNextToItIsNotConcerned) {
  DispatcherOptions options = Options();
  options.lanes.push_back(options.lanes[0]);
  options.lanes[1].id = 1;
  DispatcherHarness h(options);
  BeginProbing(h);
  h.ForgetOutput();
  h.Deliver(2, {.lane = 1});
  EXPECT_THAT(h.Sent(), ElementsAre("1: e8 e9"));
  EXPECT_FALSE(h.stats(1).probing);
}

}  // namespace
}  // namespace outboard::lane
