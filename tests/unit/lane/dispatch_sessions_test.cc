// Sessions come and go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(DispatchSessionsTest, WhatADrainedSessionDidNotAnswerGoesToAnotherUncounted) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(3, {.attempts = 2});
  h.Draining(1);
  h.Done("e2");
  h.Deliver(1);
  h.Down(1, DownCause::kDrained);
  EXPECT_THAT(h.Suspects(), IsEmpty());
  EXPECT_THAT(h.Notices(), IsEmpty());
  h.ForgetOutput();
  h.Up(Session(2));
  EXPECT_THAT(h.Sent(), ElementsAre("2: e1 e3 e4")) << "at their old places";
  EXPECT_EQ(h.ItemOf("e1").attempt, 3u);
}

TEST(DispatchSessionsTest, ADrainingSessionIsClosedAndMayFinish) {
  DispatcherHarness h;  // Time limit: 30 seconds.
  h.Up(Session(1));
  h.Deliver(1);
  h.Draining(1);
  h.Draining(1);
  const std::vector<CloseSession> closes = h.Closes();
  ASSERT_THAT(closes, SizeIs(1));
  EXPECT_EQ(closes[0].session, 1u);
  EXPECT_EQ(closes[0].cause, CloseCause::kDrain);
  EXPECT_EQ(closes[0].time_left, seconds(60)) << "two time limits";
  h.Done("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done"));
}

TEST(DispatchSessionsTest, ADrainedSessionKeepsTheOrderOfItsKeys) {
  DispatcherHarness h(OneOrderedLane());
  SessionUp session = Session(1);
  session.in_order = true;
  h.Deliver(3, {.key = "k"});
  h.Up(session);
  h.Deliver(1, {.key = "k"});
  h.Down(1, DownCause::kDrained);
  h.ForgetOutput();
  session.session = 2;
  h.Up(session);
  EXPECT_THAT(h.Sent(), ElementsAre("2: e1 e2 e3 e4"));
}

TEST(DispatchSessionsTest, ADrainedRunGoesOneByOneToASessionWithoutRuns) {
  DispatcherHarness h(OneOrderedLane());
  SessionUp session = Session(1);
  session.in_order = true;
  h.Deliver(2, {.key = "k"});
  h.Up(session);
  h.Down(1, DownCause::kDrained);
  h.ForgetOutput();
  h.Up(Session(2));
  EXPECT_THAT(h.Sent(), ElementsAre("2: e1"));
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("2: e2"));
}

// ---- Pauses
// --------------------------------------------------------------------------------------

TEST(DispatchSessionsTest, KnowsSinceWhenAComponentHasNoWindow) {
  DispatcherHarness h;
  const auto paused_for = [&h]() -> std::optional<Duration> {
    const std::optional<Time> since = h.dispatcher().paused_since(0);
    if (!since) return std::nullopt;
    return h.now() - *since;
  };
  EXPECT_EQ(paused_for(), std::nullopt) << "no session is no pause";
  h.Up(Session(1));
  EXPECT_EQ(paused_for(), std::nullopt);
  h.Advance(seconds(5));
  h.Window(1, 0);
  h.Advance(seconds(60));
  h.Window(1, 0);
  h.Deliver(1);
  EXPECT_EQ(paused_for(), seconds(60)) << "saying it again begins nothing anew";
  h.Window(1, 3);
  EXPECT_EQ(paused_for(), std::nullopt);
  h.Window(1, 0);
  EXPECT_EQ(paused_for(), seconds(0));
}

TEST(DispatchSessionsTest, OneOpenSessionIsEnoughAndThoseForSuspectsOrInADrainDoNotCount) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Up(Session(2));
  h.Window(1, 0);
  EXPECT_FALSE(h.dispatcher().paused_since(0));
  h.Up(QuarantineSession(3));
  h.Draining(2);
  EXPECT_TRUE(h.dispatcher().paused_since(0));
  h.Down(1, DownCause::kDrained);
  EXPECT_FALSE(h.dispatcher().paused_since(0)) << "there is none at all";
}

// ---- Ends
// ----------------------------------------------------------------------------------------

TEST(DispatchSessionsTest, AnyOtherEndMakesSuspects) {
  for (const DownCause cause :
       {DownCause::kCrashed, DownCause::kProtocolError, DownCause::kStreamFailed}) {
    DispatcherHarness h;
    h.Up(Session(1));
    h.Deliver(2);
    h.Down(1, cause);
    EXPECT_THAT(h.Suspects(), ElementsAre("e1: 0 ends", "e2: 0 ends"));
    EXPECT_THAT(h.Notices(), ElementsAre("suspected 2"));
    EXPECT_THAT(h.Settlements(), IsEmpty());
    EXPECT_EQ(h.stats().redelivered, 2u);
    EXPECT_EQ(h.stats().held, 2u);
    EXPECT_EQ(h.stats().in_flight, 0u);
  }
}

TEST(DispatchSessionsTest, AnIdleSessionEndsWithoutSuspects) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Done("e1");
  h.Crash(1);
  EXPECT_THAT(h.Suspects(), IsEmpty());
  EXPECT_FALSE(h.wants_quarantine());
}

TEST(DispatchSessionsTest, WhatExpiredBeforeTheEndWasRetriedAlready) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Advance(seconds(30));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 retry in 1000 ms"));
  h.Crash(1);
  EXPECT_THAT(h.Suspects(), IsEmpty());
}

TEST(DispatchSessionsTest, EndsOfUnknownSessionsAreIgnored) {
  DispatcherHarness h;
  h.Crash(5);
  h.Draining(5);
  EXPECT_THAT(h.Closes(), IsEmpty());
  EXPECT_THAT(h.dispatcher().sessions(), IsEmpty());
}

TEST(DispatchSessionsTest, AnswersAfterTheEndAreIgnored) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Down(1, DownCause::kDrained);
  h.Done("e1");
  EXPECT_THAT(h.Settlements(), IsEmpty());
  EXPECT_EQ(h.stats().ready, 1u);
}

TEST(DispatchSessionsTest, OtherSessionsGoOnWhenOneEnds) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2);
  h.Up(Session(2));
  h.Crash(1);
  h.ForgetOutput();
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("2: e3"));
  EXPECT_GT(h.Credit(), 0u);
}

}  // namespace
}  // namespace outboard::lane
