// What goes to which session, and in which frame.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- When a frame leaves
// -------------------------------------------------------------------------

TEST(DispatchFramesTest, TheFirstTwoFramesLeaveAtOnce) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Deliver(2);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1", "1: e2 e3"));
}

TEST(DispatchFramesTest, AThirdGathersForTheLinger) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Deliver(1);
  h.ForgetOutput();
  h.Deliver(1);
  EXPECT_EQ(h.WakesIn(), microseconds(500));
  h.Advance(microseconds(300));
  h.Deliver(2);
  h.Advance(microseconds(199));
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Advance(microseconds(1));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e3 e4 e5"));
}

TEST(DispatchFramesTest, AnAnswerToAWholeFrameLetsTheNextOneLeave) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2);
  h.Deliver(1);
  h.Deliver(1);
  h.ForgetOutput();
  h.Done("e1");
  EXPECT_THAT(h.Sent(), IsEmpty()) << "its frame is still open";
  h.Done("e2");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e4"));
}

TEST(DispatchFramesTest, AnExpiredDeliveryKeepsNoFrameOpen) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Deliver(1);
  h.Advance(seconds(30));
  h.ForgetOutput();
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e3"));
}

TEST(DispatchFramesTest, AFullFrameLeavesAtOnce) {
  DispatcherOptions options = OneLane();
  options.frame_deliveries = 2;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(5);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2", "1: e3 e4"));
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e5 e6"));
}

TEST(DispatchFramesTest, AFrameThatIsFullByItsBytesLeavesAtOnce) {
  DispatcherOptions options = OneLane();
  options.frame_bytes = 2500;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(1);
  h.Deliver(1);
  h.ForgetOutput();
  h.Deliver(2, {.data = 1000});
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Deliver(1, {.data = 1000});
  EXPECT_THAT(h.Sent(), ElementsAre("1: e3 e4")) << "the fifth does not fit";
}

TEST(DispatchFramesTest, AnEventLargerThanAFrameFliesInOneOfItsOwn) {
  DispatcherOptions options = OneLane();
  options.frame_bytes = 500;
  DispatcherHarness h(options);
  h.Deliver(2, {.data = 1000});
  h.Up(Session(1));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1", "1: e2"));
}

TEST(DispatchFramesTest, TheLingerRunsFromWhenAFrameWasHeldBackNotFromTheItemsAge) {
  DispatcherHarness h;
  SessionUp session = Session(1);
  session.max_in_flight = 4;
  h.Up(session);
  h.Deliver(2);
  h.Deliver(2);
  h.Deliver(1);  // No room.
  h.Advance(seconds(1));
  h.ForgetOutput();
  h.Done("e1");  // Room, and both frames still open.
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Advance(microseconds(499));
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Advance(microseconds(1));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e5"));
}

// ---- What is in a frame
// --------------------------------------------------------------------------

TEST(DispatchFramesTest, CountsDeliveryIdsPerSession) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2);
  EXPECT_EQ(h.IdOf("e1"), 1u);
  EXPECT_EQ(h.IdOf("e2"), 2u);
  h.Done("e1", "e2");
  h.Down(1, DownCause::kDrained);
  h.Up(Session(2));
  h.Deliver(1);
  EXPECT_EQ(h.IdOf("e3"), 1u);
}

TEST(DispatchFramesTest, TellsTheLaneAndTheAttempt) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Deliver(1, {.attempts = 4});
  EXPECT_EQ(h.ItemOf("e1").attempt, 1u);
  EXPECT_EQ(h.ItemOf("e2").attempt, 5u);
  EXPECT_EQ(h.ItemOf("e2").lane, 0u);
  EXPECT_EQ(h.ItemOf("e2").order_key, "");
}

TEST(DispatchFramesTest, LanesOfAComponentTakeTurns) {
  DispatcherOptions options = OneLane();
  options.lanes.push_back(options.lanes[0]);
  options.lanes[1].id = 1;
  options.frame_deliveries = 2;
  DispatcherHarness h(options);
  h.Deliver(3, {.lane = 0});
  h.Deliver(3, {.lane = 1});
  h.Up(Session(1));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2", "1: e4 e5", "1: e3 e6"));
}

TEST(DispatchFramesTest, ASessionGetsEventsOfItsComponentOnly) {
  DispatcherOptions options = OneLane();
  options.components.push_back("mailer");
  options.lanes.push_back(options.lanes[0]);
  options.lanes[1].id = 1;
  options.lanes[1].component = 1;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(1, {.lane = 1});
  h.Deliver(1, {.lane = 0});
  EXPECT_THAT(h.Sent(), ElementsAre("1: e2"));
}

// ---- Which session
// -------------------------------------------------------------------------------

TEST(DispatchFramesTest, TheSessionWithTheMostFreeWindowIsServedFirst) {
  DispatcherHarness h;
  SessionUp small = Session(1);
  small.max_in_flight = 4;
  h.Up(small);
  h.Up(Session(2));
  h.Deliver(14);
  EXPECT_THAT(h.Sent(), ElementsAre(HasSubstr("2: e1 e2")));
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e15")) << "4 free against 2";
}

TEST(DispatchFramesTest, ASessionThatMaySendAtOnceGoesBeforeOneThatMustGather) {
  DispatcherHarness h;
  SessionUp small = Session(1);
  small.max_in_flight = 4;
  h.Up(small);
  h.Up(Session(2));
  h.Deliver(1);
  h.Deliver(1);
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("2: e1", "2: e2", "1: e3"));
}

TEST(DispatchFramesTest, NothingGoesToADrainingSession) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Draining(1);
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Up(Session(2));
  EXPECT_THAT(h.Sent(), ElementsAre("2: e1"));
}

// ---- Windows
// -------------------------------------------------------------------------------------

TEST(DispatchFramesTest, TheWindowGrowsWithWhatIsAnswered) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(100);
  EXPECT_EQ(h.stats().in_flight, 16u);
  h.Done("e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9", "e10", "e11", "e12", "e13", "e14",
         "e15", "e16");
  EXPECT_EQ(h.stats().in_flight, 32u);
}

TEST(DispatchFramesTest, TheWindowIsTwiceTheConcurrencyAtFirst) {
  DispatcherHarness h;
  SessionUp session = Session(1);
  session.concurrency = 3;
  h.Up(session);
  h.Deliver(100);
  EXPECT_EQ(h.stats().in_flight, 6u);
}

TEST(DispatchFramesTest, NeverSendsMoreThanTheBounds) {
  DispatcherOptions options = OneLane();
  options.session_deliveries = 7;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(100);
  EXPECT_EQ(h.stats().in_flight, 7u);
  SessionUp small = Session(2);
  small.max_in_flight = 5;
  h.Up(small);
  EXPECT_EQ(h.stats().in_flight, 12u);
}

TEST(DispatchFramesTest, APluginsWindowHoldsBackUntilBelowIt) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(4);
  h.Window(1, 2);
  h.Deliver(1);
  h.ForgetOutput();
  h.Done("e1", "e2");
  h.Advance(seconds(1));
  EXPECT_THAT(h.Sent(), IsEmpty()) << "two are in flight, and the window is two";
  h.Done("e3");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e5"));
}

TEST(DispatchFramesTest, AWindowOfZeroPauses) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Window(1, 0);
  h.Deliver(1);
  h.Advance(seconds(300));
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Window(1, 1);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
}

TEST(DispatchFramesTest, ExpiredDeliveriesKeepTheirCredit) {
  DispatcherHarness h;
  SessionUp session = Session(1);
  session.max_in_flight = 1;
  h.Up(session);
  h.Deliver(2);
  h.Advance(seconds(30));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e2"));
}

// ---- Bytes
// ---------------------------------------------------------------------------------------

TEST(DispatchFramesTest, OneDeliveryOfAnySizeMayFlyWhenNothingElseDoes) {
  DispatcherHarness h;
  SessionUp session = Session(1);
  session.max_in_flight_bytes = 100;
  h.Up(session);
  h.Deliver(1, {.data = 2000});
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e2"));
}

TEST(DispatchFramesTest, ALargeOneWaitsForAnEmptySession) {
  DispatcherHarness h;
  SessionUp session = Session(1);
  session.max_in_flight_bytes = 100;
  h.Up(session);
  h.Deliver(1);
  h.Deliver(1, {.data = 2000});
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e2"));
}

TEST(DispatchFramesTest, WhatThePluginCannotReceiveIsADeadLetter) {
  DispatcherHarness h;
  SessionUp session = Session(1);
  session.max_message_bytes = 1000;
  h.Up(session);
  h.Deliver(1);
  h.Deliver(1, {.data = 2000});
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1", "1: e3"));
  EXPECT_THAT(h.Settlements(), ElementsAre("e2 dead TOO_LARGE"));
  EXPECT_THAT(h.SettlementOf("e2").dead->message, HasSubstr("raise max_message_bytes"));
  EXPECT_THAT(h.Notices(), ElementsAre("dead e2"));
}

TEST(DispatchFramesTest, TheFramesOwnBytesCountTowardsWhatThePluginCanReceive) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1, {.data = 500});
  const size_t size = h.ItemOf("e1").event.size();
  h.Down(1, DownCause::kDrained);
  SessionUp session = Session(2);
  session.max_message_bytes = size;
  h.Up(session);
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead TOO_LARGE"));
}

// ---- Keys
// ----------------------------------------------------------------------------------------

TEST(DispatchFramesTest, OneOfEachKeyFliesAtATime) {
  DispatcherHarness h(OneOrderedLane());
  h.Up(Session(1));
  h.Deliver(3, {.key = "k"});
  h.Deliver(1, {.key = "m"});
  h.Deliver(2);  // Of no key.
  h.Advance(milliseconds(1));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1", "1: e4", "1: e5 e6"));
  EXPECT_EQ(h.ItemOf("e1").order_key, "") << "only in_order components are told";
  h.Done("e1", "e4");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e2"));
  h.Reject("e2");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e3"));
}

TEST(DispatchFramesTest, AnInOrderComponentGetsARunOfAKeyInOneFrame) {
  DispatcherHarness h(OneOrderedLane());
  h.Deliver(3, {.key = "k"});
  h.Deliver(1, {.key = "m"});
  SessionUp session = Session(1);
  session.in_order = true;
  h.Up(session);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2 e3 e4"));
  EXPECT_EQ(h.ItemOf("e3").order_key, "k");
  EXPECT_EQ(h.ItemOf("e4").order_key, "m");
}

TEST(DispatchFramesTest, WhatArrivesDuringARunWaitsUntilAllOfItIsAnswered) {
  DispatcherHarness h(OneOrderedLane());
  h.Deliver(2, {.key = "k"});
  SessionUp session = Session(1);
  session.in_order = true;
  h.Up(session);
  h.Deliver(2, {.key = "k"});
  h.ForgetOutput();
  h.Done("e1");
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Done("e2");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e3 e4"));
}

TEST(DispatchFramesTest, ARunEndsWithItsFrame) {
  DispatcherOptions options = OneOrderedLane();
  options.frame_deliveries = 2;
  DispatcherHarness h(options);
  h.Deliver(3, {.key = "k"});
  SessionUp session = Session(1);
  session.in_order = true;
  h.Up(session);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2"));
  h.Done("e1", "e2");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e3"));
}

TEST(DispatchFramesTest, ARunNeverPassesTheWindow) {
  DispatcherHarness h(OneOrderedLane());
  h.Deliver(3, {.key = "k"});
  SessionUp session = Session(1);
  session.in_order = true;
  session.max_in_flight = 2;
  h.Up(session);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2"));
}

TEST(DispatchFramesTest, DropsWhatTheComponentDoesNotTake) {
  DispatcherHarness h;
  SessionUp up = Session(1);
  up.event_types = {"no.such.type"};
  h.Up(std::move(up));
  h.Deliver(2);
  EXPECT_THAT(h.Sent(), IsEmpty());
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dropped", "e2 dropped"));
}

}  // namespace
}  // namespace outboard::lane
