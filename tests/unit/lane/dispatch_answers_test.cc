// What an answer, or a deadline without one, means for a delivery.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/event/wire_text.h"
#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// ---- DONE and REJECT
// -----------------------------------------------------------------------------

TEST(DispatchAnswersTest, DoneEndsADelivery) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2);
  h.Done("e1");
  h.Say("e2", Verdict::kDone);
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done", "e2 done"));
  EXPECT_EQ(h.stats().in_flight, 0u);
}

TEST(DispatchAnswersTest, WhereAProducerPutAnEventGoesToTheBus) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2);
  const bus::Placed placed{bus::Offset(int64_t{42}), Time(Duration(7))};
  Answer answer;
  answer.verdict = Verdict::kDone;
  answer.placed = std::make_unique<bus::Placed>(placed);
  h.Say("e1", std::move(answer));
  h.Done("e2");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done", "e2 done"));
  ASSERT_NE(h.SettlementOf("e1").placed, nullptr);
  EXPECT_EQ(*h.SettlementOf("e1").placed, placed);
  EXPECT_EQ(h.SettlementOf("e2").placed, nullptr);
}

TEST(DispatchAnswersTest, AnswersComeInAnyOrder) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(3);
  h.Done("e3", "e1");
  h.Done("e2");
  EXPECT_THAT(h.Settlements(), ElementsAre("e3 done", "e1 done", "e2 done"));
}

TEST(DispatchAnswersTest, RejectMakesADeadLetterWithItsFailure) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2, {.attempts = 2});
  h.Reject("e1", "NO_SUCH_STORY");
  h.Reject("e2");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead NO_SUCH_STORY", "e2 dead UNSPECIFIED"));
  EXPECT_EQ(h.SettlementOf("e1").dead->message, "message");
  EXPECT_EQ(h.SettlementOf("e1").dead->detail, "detail");
  EXPECT_EQ(h.SettlementOf("e1").attempts, 2u);
}

// ---- RETRY
// ---------------------------------------------------------------------------------------

TEST(DispatchAnswersTest, ARetryOfAnUnorderedLaneGoesToTheBusWithItsCount) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Deliver(1, {.attempts = 3});
  h.Retry("e1", "e2");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 retry in 1000 ms", "e2 retry in 8000 ms"));
  EXPECT_EQ(h.SettlementOf("e1").attempts, 1u);
  EXPECT_EQ(h.SettlementOf("e2").attempts, 4u);
}

TEST(DispatchAnswersTest, ARetryWaitsAsLongAsItAskedFor) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2);
  h.RetryAfter("e1", seconds(7));
  h.RetryAfter("e2", hours(100));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 retry in 7000 ms", "e2 retry in 86400000 ms"));
}

TEST(DispatchAnswersTest, TheLastAttemptsFailureEndsTheEvent) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2, {.attempts = 11});
  h.Say("e1", Verdict::kRetry, "DB_DOWN");
  h.Retry("e2");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead DB_DOWN", "e2 dead UNSPECIFIED"));
  EXPECT_EQ(h.SettlementOf("e1").attempts, 12u);
  EXPECT_EQ(h.SettlementOf("e1").dead->message, "message");
}

TEST(DispatchAnswersTest, ARetryOfAKeyWaitsInMemoryAndHoldsTheKey) {
  DispatcherHarness h(OneOrderedLane());
  h.Up(Session(1));
  h.Deliver(2, {.key = "k"});
  h.Retry("e1");
  EXPECT_THAT(h.Settlements(), IsEmpty());
  EXPECT_EQ(h.stats().held, 1u);
  h.ForgetOutput();
  h.Advance(milliseconds(999));
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Advance(milliseconds(1));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
  EXPECT_EQ(h.ItemOf("e1").attempt, 2u);
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e2"));
}

TEST(DispatchAnswersTest, AnEventWithoutAKeyOfAnOrderedLaneGoesToTheBus) {
  DispatcherHarness h(OneOrderedLane());
  h.Up(Session(1));
  h.Deliver(1);
  h.Retry("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 retry in 1000 ms"));
}

TEST(DispatchAnswersTest, AKeyIsHeldNoLongerThanThePolicysMaximum) {
  DispatcherOptions options = OneOrderedLane();
  options.lanes[0].retry.max = seconds(10);
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(1, {.key = "k"});
  h.RetryAfter("e1", hours(1));
  h.ForgetOutput();
  h.Advance(milliseconds(9'999));
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Advance(milliseconds(1));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
}

TEST(DispatchAnswersTest, TheLastAttemptOfAKeyLetsTheNextOneGo) {
  DispatcherOptions options = OneOrderedLane();
  options.lanes[0].retry.max_attempts = 1;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(2, {.key = "k"});
  h.Retry("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead UNSPECIFIED"));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1", "1: e2"));
}

TEST(DispatchAnswersTest, AnOrderedLaneThatHoldsItsMostGivesUpTheFailingEvent) {
  DispatcherOptions options = OneOrderedLane();
  options.lane_held = 2;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(2, {.key = "k"});
  h.Deliver(1, {.key = "m"});
  h.Retry("e1");  // Held, with e2 parked behind it.
  EXPECT_THAT(h.Settlements(), IsEmpty());
  h.Say("e3", Verdict::kRetry, "DB_DOWN");
  EXPECT_THAT(h.Settlements(), ElementsAre("e3 dead DB_DOWN"));
}

TEST(DispatchAnswersTest, AFailingEventIsHeldAsLongAsOthersMove) {
  DispatcherOptions options = OneOrderedLane();
  options.lane_held = 2;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(3, {.key = "k"});  // A backlog of one key fills the lane by itself.
  h.Deliver(1, {.key = "m"});
  h.Say("e4", Verdict::kRetry, "DB_DOWN");
  EXPECT_THAT(h.Settlements(), IsEmpty()) << "e1 is still with the plugin";
  h.Advance(seconds(2));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1", "1: e4", "1: e4"));
}

// ---- RELEASE
// -------------------------------------------------------------------------------------

TEST(DispatchAnswersTest, AReleaseIsNotCountedAndWaitsALittle) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Release("e1");
  h.ForgetOutput();
  h.Advance(milliseconds(99));
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Advance(milliseconds(1));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
  EXPECT_EQ(h.ItemOf("e1").attempt, 1u);
}

TEST(DispatchAnswersTest, TheThirdReleaseCountsAsARetry) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  for (int i = 0; i < 2; ++i) {
    h.Release("e1");
    h.Advance(milliseconds(100));
  }
  EXPECT_THAT(h.Settlements(), IsEmpty());
  h.Release("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 retry in 1000 ms"));
  EXPECT_EQ(h.SettlementOf("e1").attempts, 1u);
}

TEST(DispatchAnswersTest, AReleaseThatCountsAsTheLastAttemptEndsTheEvent) {
  DispatcherOptions options = OneLane();
  options.max_releases = 1;
  options.lanes[0].retry.max_attempts = 1;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(1);
  h.Release("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead RELEASED"));
}

TEST(DispatchAnswersTest, AReleasedEventKeepsItsKey) {
  DispatcherHarness h(OneOrderedLane());
  h.Up(Session(1));
  h.Deliver(2, {.key = "k"});
  h.Release("e1");
  h.Advance(milliseconds(99));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
  h.Advance(milliseconds(1));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
}

TEST(DispatchAnswersTest, WhatARunGivesBackAfterAFailureIsFreeAndGoesAgainWithIt) {
  DispatcherHarness h(OneOrderedLane());
  h.Deliver(3, {.key = "k"});
  h.Up(InOrderSession(1));
  for (int i = 0; i < 4; ++i) {
    h.Retry("e1");
    h.Release("e2", "e3");
    EXPECT_EQ(h.stats().held, 1u);
    EXPECT_EQ(h.stats().parked, 2u);
    h.ForgetOutput();
    h.Advance(seconds(16));
    EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2 e3"));
  }
  EXPECT_EQ(h.ItemOf("e1").attempt, 5u);
  EXPECT_EQ(h.ItemOf("e2").attempt, 1u) << "four releases, and none counted";
  h.Done("e1", "e2", "e3");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done", "e2 done", "e3 done"));
}

TEST(DispatchAnswersTest, WhatARunGivesBackAfterADeadLetterGoesOnAtOnce) {
  DispatcherHarness h(OneOrderedLane());
  h.Deliver(3, {.key = "k"});
  h.Up(InOrderSession(1));
  h.Reject("e1");
  h.Release("e2", "e3");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2 e3", "1: e2 e3"));
}

TEST(DispatchAnswersTest, AReleaseOfARunWithoutAFailureWaitsAndKeepsTheOrder) {
  DispatcherHarness h(OneOrderedLane());
  h.Deliver(2, {.key = "m"});  // Their places in memory are used again, the last one first.
  h.Up(InOrderSession(1));
  h.Done("e1", "e2");
  h.ForgetOutput();
  h.Deliver(2, {.key = "k"});
  h.Release("e3", "e4");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e3 e4"));
  h.Advance(milliseconds(99));
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Advance(milliseconds(1));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e3"));
  h.Done("e3");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e4"));
}

// ---- Emits
// ---------------------------------------------------------------------------------------

class DispatchEmitsTest : public ::testing::Test {
 protected:
  DispatchEmitsTest() {
    SessionUp session = Session(1);
    session.emits = {"story.indexed", "audit.#"};
    h_.Up(session);
    h_.Deliver(1);
  }
  DispatcherHarness h_;
};

TEST_F(DispatchEmitsTest, GoWithTheSettlementMadeWhole) {
  h_.DoneWith("e1", {wire_text::Type("story.indexed"), wire_text::Type("audit.a.b")});
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 done"));
  const std::vector<Event>& emits = h_.SettlementOf("e1").emits;
  ASSERT_THAT(emits, SizeIs(2));
  EXPECT_EQ(emits[0].type(), "story.indexed");
  EXPECT_EQ(emits[0].source(), "indexer") << "the component";
  EXPECT_THAT(std::string(emits[0].id()), SizeIs(32));
  EXPECT_NE(emits[0].id(), emits[1].id());
  EXPECT_EQ(h_.stats().emitted, 2u);
}

TEST_F(DispatchEmitsTest, AreTheSameAfterARedelivery) {
  h_.DoneWith("e1", {wire_text::Type("story.indexed")});
  const std::string first(h_.SettlementOf("e1").emits.at(0).bytes());
  h_.DeliverAgain("e1", {.attempts = 5});
  h_.DoneWith("e1", {wire_text::Type("story.indexed")});
  EXPECT_EQ(std::string(h_.SettlementOf("e1").emits.at(0).bytes()), first);
}

TEST_F(DispatchEmitsTest, OfATypeThatIsNotDeclaredMakeADeadLetter) {
  h_.DoneWith("e1", {wire_text::Type("story.indexed"), wire_text::Type("story.deleted")});
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 dead EMIT_REFUSED"));
  EXPECT_THAT(h_.SettlementOf("e1").emits, IsEmpty());
  EXPECT_THAT(h_.SettlementOf("e1").dead->message,
              HasSubstr("emit 1: type story.deleted is not declared: add it to Component.emits"));
  EXPECT_EQ(h_.stats().emitted, 0u);
}

TEST_F(DispatchEmitsTest, ThatAreMalformedMakeADeadLetter) {
  h_.DoneWith("e1", {"\x0A\x7F"});
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 dead EMIT_REFUSED"));
  EXPECT_THAT(h_.SettlementOf("e1").dead->message, HasSubstr("emit 0: "));
  EXPECT_EQ(h_.dispatcher().protocol_errors(), 0u) << "the event's fault, not the session's";
}

// ---- Late answers
// --------------------------------------------------------------------------------

TEST(DispatchAnswersTest, ASecondAnswerIsCountedAndIgnored) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2);
  h.Done("e1");
  h.Reject("e1");
  h.Done("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done"));
  EXPECT_EQ(h.dispatcher().late_answers(), 2u);
  EXPECT_EQ(h.dispatcher().protocol_errors(), 0u);
}

TEST(DispatchAnswersTest, AnAnswerAfterTheDeadlineFreesTheKey) {
  DispatcherHarness h(OneOrderedLane());
  h.Up(Session(1));
  h.Deliver(2, {.key = "k"});
  h.Advance(seconds(40));  // The retry of e1 is due, and session 1 still owes an answer.
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
  EXPECT_EQ(h.stats().held, 1u);
  h.Done("e1");
  EXPECT_EQ(h.dispatcher().late_answers(), 1u);
  EXPECT_THAT(h.Settlements(), IsEmpty()) << "it was counted as RETRY already";
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
  EXPECT_EQ(h.ItemOf("e1").attempt, 2u);
}

TEST(DispatchAnswersTest, AnswersOfUnknownSessionsAreIgnored) {
  DispatcherHarness h;
  AnswersArrived in;
  in.session = 9;
  in.done_ids = {1};
  h.Give(std::move(in));
  EXPECT_THAT(h.Closes(), IsEmpty());
}

// ---- Broken rules
// --------------------------------------------------------------------------------

// An answer that breaks a rule, with the text that says so.
struct Broken {
  const char* name;
  void (*answer)(AnswersArrived& in);
  const char* text;
};

class DispatchProtocolErrorTest : public ::testing::TestWithParam<Broken> {};

TEST_P(DispatchProtocolErrorTest, ClosesTheSessionAndSuspectsWhatItOwes) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(3);
  AnswersArrived in;
  in.session = 1;
  GetParam().answer(in);
  h.Give(std::move(in));
  EXPECT_THAT(h.Notices(), ElementsAre("protocol error"));
  EXPECT_EQ(h.dispatcher().protocol_errors(), 1u);
  const std::vector<CloseSession> closes = h.Closes();
  ASSERT_THAT(closes, SizeIs(1));
  EXPECT_EQ(closes[0].cause, CloseCause::kProtocolError);
  EXPECT_THAT(closes[0].message, HasSubstr(GetParam().text));

  h.Done("e1");  // Nothing of this session counts any more.
  h.Deliver(1);
  h.Advance(minutes(5));
  h.Draining(1);
  EXPECT_THAT(h.Settlements(), IsEmpty());
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2 e3"));
  EXPECT_THAT(h.Closes(), IsEmpty());
  EXPECT_EQ(h.Credit(), 0u);

  h.Down(1, DownCause::kDrained);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 0 ends", "e2: 0 ends", "e3: 0 ends"));
}

INSTANTIATE_TEST_SUITE_P(
    , DispatchProtocolErrorTest,
    ::testing::Values(
        Broken{"DoneIdNeverSent", [](AnswersArrived& in) { in.done_ids = {4}; },
               "delivery 4, which was never sent"},
        Broken{"DoneIdZero", [](AnswersArrived& in) { in.done_ids = {0}; }, "delivery 0"},
        Broken{"VerdictOnWhatWasNeverSent",
               [](AnswersArrived& in) {
                 in.verdicts.emplace_back();
                 in.verdicts[0].delivery_id = 99;
                 in.verdicts[0].verdict = Verdict::kRetry;
               },
               "delivery 99, which was never sent"},
        Broken{"VerdictWithoutAnOutcome",
               [](AnswersArrived& in) {
                 in.verdicts.emplace_back();
                 in.verdicts[0].delivery_id = 1;
               },
               "no valid outcome"},
        Broken{"ProgressOfWhatWasNeverSent", [](AnswersArrived& in) { in.progress_ids = {7}; },
               "progress_ids names delivery 7"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(DispatchAnswersTest, WhatAFrameSaidBeforeItBrokeARuleCounts) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2);
  AnswersArrived in;
  in.session = 1;
  in.done_ids = {1, 77, 2};
  h.Give(std::move(in));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done"));
}

// ---- Deadlines
// -----------------------------------------------------------------------------------

TEST(DispatchDeadlinesTest, AMissedDeadlineCancelsAndCountsAsRetry) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2);
  h.Advance(milliseconds(29'999));
  EXPECT_THAT(h.Settlements(), IsEmpty());
  h.Advance(milliseconds(1));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 retry in 1000 ms", "e2 retry in 1000 ms"));
  EXPECT_EQ(h.SettlementOf("e1").attempts, 1u);
  EXPECT_EQ(h.stats().deadlines, 2u);
  const std::vector<CancelDeliveries> cancels = h.Cancels();
  ASSERT_THAT(cancels, SizeIs(1));
  EXPECT_EQ(cancels[0].session, 1u);
  EXPECT_THAT(cancels[0].ids, ElementsAre(1, 2));
}

TEST(DispatchDeadlinesTest, TheLastAttemptsDeadlineMakesADeadLetter) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1, {.attempts = 11});
  h.Advance(seconds(30));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead DEADLINE"));
}

TEST(DispatchDeadlinesTest, RunForTheOldestConcurrencyOnly) {
  DispatcherHarness h;
  SessionUp session = Session(1);
  session.concurrency = 1;
  h.Up(session);
  h.Deliver(2);
  h.Advance(seconds(29));
  h.Done("e1");  // Now it is the turn of e2.
  h.Advance(seconds(29));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done"));
  h.Advance(seconds(1));
  EXPECT_THAT(h.Settlements(), ElementsAre("e2 retry in 1000 ms"));
}

TEST(DispatchDeadlinesTest, AnExpiredDeliveryStillOccupiesItsComponent) {
  DispatcherHarness h;
  SessionUp session = Session(1);
  session.concurrency = 1;
  h.Up(session);
  h.Deliver(2);
  h.Advance(seconds(59));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 retry in 1000 ms"));
}

TEST(DispatchDeadlinesTest, RunForTheFirstOfARunOnly) {
  DispatcherHarness h(OneOrderedLane());
  h.Deliver(2, {.key = "k"});
  h.Up(InOrderSession(1));
  h.Advance(seconds(20));
  h.Done("e1");
  h.Advance(seconds(29));
  EXPECT_THAT(h.Cancels(), IsEmpty());
  h.Advance(seconds(1));
  EXPECT_THAT(h.Cancels(), SizeIs(1));
}

TEST(DispatchDeadlinesTest, ProgressRenewsThemUpToTheCap) {
  DispatcherHarness h;  // Cap: 5 minutes.
  h.Up(Session(1));
  h.Deliver(1);
  for (int i = 0; i < 14; ++i) {
    h.Advance(seconds(20));
    h.Progress("e1");
  }
  EXPECT_THAT(h.Settlements(), IsEmpty());
  h.Advance(milliseconds(19'999));
  EXPECT_THAT(h.Settlements(), IsEmpty());
  h.Advance(milliseconds(1));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 retry in 1000 ms"));
}

TEST(DispatchDeadlinesTest, AKeyIsHeldUntilTheExpiredOneIsAnsweredOrItsSessionEnds) {
  DispatcherOptions options = OneOrderedLane();
  options.lanes[0].retry.max_attempts = 1;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(2, {.key = "k"});
  h.Advance(seconds(30));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead DEADLINE"));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1")) << "e1 may still be at work";
  h.Up(Session(2));
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Crash(1);
  EXPECT_THAT(h.Sent(), ElementsAre("2: e2"));
  EXPECT_THAT(h.Suspects(), IsEmpty()) << "e1 has ended already";
}

// ---- Stuck
// ---------------------------------------------------------------------------------------

TEST(DispatchDeadlinesTest, ASilentSessionIsReplacedAtOnceOneTimeLimitLater) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Advance(milliseconds(59'999));
  EXPECT_THAT(h.Replaces(), IsEmpty());
  h.Advance(milliseconds(1));
  const std::vector<ReplaceInstance> replaces = h.Replaces();
  ASSERT_THAT(replaces, SizeIs(1));
  EXPECT_EQ(replaces[0].session, 1u);
  EXPECT_TRUE(replaces[0].at_once);
  EXPECT_THAT(h.Notices(), ElementsAre("stuck"));
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1")) << "it gets nothing new";
}

TEST(DispatchDeadlinesTest, ASessionThatStillAnswersIsReplacedAfterADrain) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Advance(seconds(40));
  h.Deliver(1);
  h.Done("e2");
  h.Advance(seconds(20));
  const std::vector<ReplaceInstance> replaces = h.Replaces();
  ASSERT_THAT(replaces, SizeIs(1));
  EXPECT_FALSE(replaces[0].at_once);
  const std::vector<CloseSession> closes = h.Closes();
  ASSERT_THAT(closes, SizeIs(1));
  EXPECT_EQ(closes[0].cause, CloseCause::kDrain);
  EXPECT_EQ(h.Credit(), 0u);
}

TEST(DispatchDeadlinesTest, ASessionIsReplacedOnce) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Advance(seconds(10));
  h.Deliver(1);
  h.Advance(minutes(10));
  EXPECT_THAT(h.Replaces(), SizeIs(1));
}

TEST(DispatchDeadlinesTest, ALateAnswerKeepsASessionFromBeingStuck) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Advance(seconds(59));
  h.Done("e1");
  h.Advance(minutes(10));
  EXPECT_THAT(h.Replaces(), IsEmpty());
}

}  // namespace
}  // namespace outboard::lane
