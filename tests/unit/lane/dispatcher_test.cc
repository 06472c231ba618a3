#include "host/lane/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/event/wire_text.h"
#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// ---- Credit
// --------------------------------------------------------------------------------------

TEST(DispatcherCreditTest, ComesAndGoesWithAUsableSession) {
  DispatcherHarness h;
  h.Give(TimerFired{});
  EXPECT_EQ(h.Credit(), 0u);
  h.Up(Session(1));
  EXPECT_EQ(h.Credit(), 2 * 16 + 256u) << "two windows and a frame";
  h.Down(1, DownCause::kDrained);
  EXPECT_EQ(h.Credit(), 0u);
}

TEST(DispatcherCreditTest, IsNotGivenForASessionThatIsPausedDrainingOrForSuspects) {
  DispatcherHarness h;
  h.Up(QuarantineSession(9));
  EXPECT_EQ(h.Credit(), 0u);
  h.Up(Session(1));
  EXPECT_GT(h.Credit(), 0u);
  h.Window(1, 0);
  EXPECT_EQ(h.Credit(), 0u);
  h.Window(1, 100);
  EXPECT_GT(h.Credit(), 0u);
  h.Draining(1);
  EXPECT_EQ(h.Credit(), 0u);
}

TEST(DispatcherCreditTest, IsNotGivenForASessionOfAnotherComponent) {
  DispatcherOptions options = OneLane();
  options.components.push_back("mailer");
  DispatcherHarness h(options);
  SessionUp other = Session(1);
  other.component = 1;
  h.Up(other);
  EXPECT_EQ(h.Credit(), 0u);
}

TEST(DispatcherCreditTest, NeverLetsALaneHoldMoreThanItsBound) {
  DispatcherOptions options = OneLane();
  options.lane_deliveries = 10;
  DispatcherHarness h(options);
  h.Up(Session(1));
  EXPECT_EQ(h.Credit(), 10u);
  h.Deliver(10);
  EXPECT_EQ(h.Credit(), 0u);
  h.Done("e1", "e2");
  EXPECT_EQ(h.Credit(), 2u);
}

TEST(DispatcherCreditTest, CountsWhatIsBeingSettledAgainstTheBound) {
  DispatcherOptions options = OneLane();
  options.lane_deliveries = 2;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(2);
  h.HoldSettles();
  h.Done("e1", "e2");
  EXPECT_EQ(h.stats().settling, 2u);
  EXPECT_EQ(h.Credit(), 0u);
  h.SettleHeld();
  EXPECT_EQ(h.Credit(), 2u);
}

TEST(DispatcherCreditTest, StopsWhenTheLanesBytesAreReached) {
  DispatcherOptions options = OneLane();
  options.lane_bytes = 1000;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(1, {.data = 2000});
  EXPECT_EQ(h.Credit(), 0u);
  h.Done("e1");
  EXPECT_GT(h.Credit(), 0u);
}

TEST(DispatcherCreditTest, StopsWhenAnOrderedLaneHoldsItsMost) {
  DispatcherOptions options = OneOrderedLane();
  options.lane_held = 2;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(3, {.key = "k"});  // Two of them parked.
  EXPECT_EQ(h.Credit(), 0u);
  h.Done("e1");
  EXPECT_EQ(h.Credit(), 1u);
}

// ---- Settlements
// ---------------------------------------------------------------------------------

TEST(DispatcherSettleTest, AFailedSettlementIsHandedOutAgainLater) {
  for (const absl::Status& failure :
       {absl::UnavailableError("later"), absl::ResourceExhaustedError("full"),
        absl::InternalError("odd")}) {
    DispatcherHarness h;
    h.Up(Session(1));
    h.Deliver(1);
    h.HoldSettles();
    h.Done("e1");
    EXPECT_THAT(h.Settlements(), ElementsAre("e1 done"));
    h.SettleHeld(failure);
    EXPECT_THAT(h.Notices(), ElementsAre("settle failed"));
    EXPECT_THAT(h.Settlements(), IsEmpty());
    h.Advance(milliseconds(999));
    EXPECT_THAT(h.Settlements(), IsEmpty());
    h.Advance(milliseconds(1));
    EXPECT_THAT(h.Settlements(), ElementsAre("e1 done"));
    h.SettleHeld();
    EXPECT_EQ(h.stats().done, 1u);
    EXPECT_EQ(h.stats().settling, 0u);
  }
}

TEST(DispatcherSettleTest, AFailedDeadLetterOrRetryComesAgainAsItWas) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2);
  h.HoldSettles();
  h.Reject("e1", "NO_SUCH_STORY");
  h.Retry("e2");
  h.ForgetOutput();
  h.SettleHeld(absl::InvalidArgumentError("odd"));
  h.Advance(seconds(1));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead NO_SUCH_STORY", "e2 retry in 0 ms"));
  EXPECT_EQ(h.SettlementOf("e2").attempts, 1u);
}

void EmitOne(DispatcherHarness& h) {
  SessionUp session = Session(1);
  session.emits = {"story.*"};
  h.Up(session);
  h.Deliver(1);
  h.HoldSettles();
  h.DoneWith("e1", {wire_text::Type("story.indexed")});
}

TEST(DispatcherSettleTest, AnEmitThatTheBusRefusesMakesADeadLetter) {
  DispatcherHarness h;
  EmitOne(h);
  EXPECT_EQ(h.SettlementOf("e1").emits.size(), 1u);
  h.ForgetOutput();
  h.SettleHeld(absl::PermissionDeniedError("not on this exchange"));
  EXPECT_THAT(h.Notices(), ElementsAre("dead e1"));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead EMIT_REFUSED"));
  EXPECT_THAT(h.SettlementOf("e1").emits, IsEmpty());
  EXPECT_EQ(h.SettlementOf("e1").dead->message, "not on this exchange");
  h.SettleHeld(absl::UnavailableError("later"));
  h.Advance(seconds(1));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead EMIT_REFUSED"));
  h.SettleHeld();
  EXPECT_EQ(h.stats().dead, 1u);
  EXPECT_EQ(h.stats().done, 0u);
}

TEST(DispatcherSettleTest, AnEmitThatTheBusCannotTakeNowIsTriedAgain) {
  DispatcherHarness h;
  EmitOne(h);
  h.ForgetOutput();
  h.SettleHeld(absl::UnavailableError("later"));
  EXPECT_THAT(h.Settlements(), IsEmpty());
  h.Advance(seconds(1));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done"));
  EXPECT_EQ(h.SettlementOf("e1").emits.size(), 1u);
}

// ---- Drain
// ---------------------------------------------------------------------------------------

TEST(DispatcherDrainTest, GivesBackAllThatIsNotInFlight) {
  DispatcherOptions options = OneOrderedLane();
  DispatcherHarness h(options);
  SessionUp session = Session(1);
  session.max_in_flight = 2;
  h.Up(session);
  h.Deliver(1, {.key = "k"});  // e1 waits for its retry,
  h.Retry("e1");
  h.Deliver(1, {.key = "k"});  // e2 behind it,
  h.Deliver(1);                // e3 waits after a release,
  h.Release("e3");
  h.Deliver(3);  // e4 and e5 are in flight, e6 is ready.
  h.ForgetOutput();
  h.Drain(seconds(10));
  EXPECT_THAT(h.Settlements(),
              UnorderedElementsAre("e1 returned", "e2 returned", "e3 returned", "e6 returned"));
  EXPECT_EQ(h.Credit(), 0u);
  EXPECT_TRUE(h.dispatcher().draining());
  EXPECT_FALSE(h.drained());
  h.Done("e4", "e5");
  EXPECT_THAT(h.Settlements(), ElementsAre("e4 done", "e5 done"));
  EXPECT_TRUE(h.drained());
}

TEST(DispatcherDrainTest, ClosesItsSessionsWithTheTimeThatIsLeft) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Drain(seconds(10));
  const std::vector<CloseSession> closes = h.Closes();
  ASSERT_EQ(closes.size(), 1u);
  EXPECT_EQ(closes[0].session, 1u);
  EXPECT_EQ(closes[0].cause, CloseCause::kDrain);
  EXPECT_EQ(closes[0].time_left, seconds(10));
  h.Advance(seconds(4));
  h.Up(Session(2));
  const std::vector<CloseSession> later = h.Closes();
  ASSERT_EQ(later.size(), 1u) << "a session that comes up during a drain";
  EXPECT_EQ(later[0].session, 2u);
  EXPECT_EQ(later[0].time_left, seconds(6));
}

TEST(DispatcherDrainTest, GivesBackWhatIsInFlightAtTheDeadline) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2, {.attempts = 3});
  h.Drain(seconds(10));
  h.Advance(milliseconds(9'999));
  EXPECT_THAT(h.Settlements(), IsEmpty());
  h.Advance(milliseconds(1));
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e1 returned", "e2 returned"));
  EXPECT_EQ(h.SettlementOf("e1").attempts, 3u) << "not counted";
  EXPECT_TRUE(h.drained());
  h.Done("e1");
  EXPECT_THAT(h.Settlements(), IsEmpty());
  EXPECT_EQ(h.dispatcher().late_answers(), 1u);
}

TEST(DispatcherDrainTest, IsNotDrainedBeforeTheBusSettled) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.HoldSettles();
  h.Drain(seconds(10));
  h.Done("e1");
  EXPECT_FALSE(h.drained());
  h.SettleHeld(absl::UnavailableError("later"));
  EXPECT_FALSE(h.drained());
  h.Advance(seconds(1));
  EXPECT_FALSE(h.drained());
  h.SettleHeld();
  EXPECT_TRUE(h.drained());
}

TEST(DispatcherDrainTest, AnIdleDispatcherIsDrainedAtOnce) {
  DispatcherHarness h;
  h.Drain(seconds(10));
  EXPECT_TRUE(h.drained());
}

TEST(DispatcherDrainTest, KeepsRetriesOfUnorderedLanesAndGivesBackOrderedOnes) {
  DispatcherHarness unordered;
  unordered.Up(Session(1));
  unordered.Deliver(1);
  unordered.Drain(seconds(10));
  unordered.Retry("e1");
  EXPECT_THAT(unordered.Settlements(), ElementsAre("e1 retry in 1000 ms"));

  DispatcherHarness ordered(OneOrderedLane());
  ordered.Up(Session(1));
  ordered.Deliver(1, {.key = "k"});
  ordered.Drain(seconds(10));
  ordered.Retry("e1");
  EXPECT_THAT(ordered.Settlements(), ElementsAre("e1 returned"));
  EXPECT_TRUE(ordered.drained());
}

TEST(DispatcherDrainTest, AReleaseGivesBackAtOnceAndIsNotCounted) {
  DispatcherOptions options = OneLane();
  options.max_releases = 1;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(1);
  h.Drain(seconds(10));
  h.Release("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 returned"));
  EXPECT_EQ(h.SettlementOf("e1").attempts, 0u);
}

TEST(DispatcherDrainTest, GivesBackSuspectsAndThoseSetAside) {
  DispatcherOptions options = OneLane();
  options.crash_limit = 1;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(2);
  h.Crash(1);
  h.Up(QuarantineSession(2));
  h.Crash(2);  // e1 is set aside, e2 is a suspect.
  h.Drain(seconds(10));
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e1 returned", "e2 returned"));
  EXPECT_FALSE(h.wants_quarantine());
  EXPECT_THAT(h.Suspects(), IsEmpty());
  EXPECT_TRUE(h.drained());
}

TEST(DispatcherDrainTest, ACrashDuringADrainGivesBackUncounted) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(2);
  h.Drain(seconds(10));
  h.Crash(1);
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e1 returned", "e2 returned"));
  EXPECT_THAT(h.Suspects(), IsEmpty());
  EXPECT_TRUE(h.drained());
}

TEST(DispatcherDrainTest, AnEndOfTheQuarantineSessionDuringADrainGivesBackToo) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Crash(1);
  h.Up(QuarantineSession(2));
  h.Drain(seconds(10));
  EXPECT_FALSE(h.drained());
  h.Crash(2);
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 returned"));
  EXPECT_TRUE(h.drained());
}

TEST(DispatcherDrainTest, GivesBackWhatStillArrives) {
  DispatcherHarness h(OneOrderedLane());
  h.Up(Session(1));
  h.Deliver(1, {.key = "k"});
  h.Drain(seconds(10));
  h.ForgetOutput();
  h.Deliver(1, {.key = "k"});
  h.Deliver(1);
  EXPECT_THAT(h.Settlements(), ElementsAre("e2 returned", "e3 returned"));
  EXPECT_THAT(h.Sent(), IsEmpty());
}

TEST(DispatcherDrainTest, DeadlinesGoOnDuringADrain) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Drain(seconds(60));
  h.Advance(seconds(30));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 retry in 1000 ms"));
  EXPECT_TRUE(h.drained());
}

// ---- What others see
// -----------------------------------------------------------------------------

TEST(DispatcherStatsTest, CountWhatCameAndWhatBecameOfIt) {
  DispatcherHarness h;
  SessionUp session = Session(1);
  session.max_in_flight = 5;
  h.Up(session);
  h.Deliver(6);
  EXPECT_EQ(h.stats().received, 6u);
  EXPECT_EQ(h.stats().in_flight, 5u);
  EXPECT_EQ(h.stats().ready, 1u);
  h.Advance(milliseconds(3));
  h.Done("e1");
  h.Retry("e2");
  h.Reject("e3");
  h.Release("e4");
  EXPECT_EQ(h.stats().done, 1u);
  EXPECT_EQ(h.stats().retries, 1u);
  EXPECT_EQ(h.stats().rejected, 1u);
  EXPECT_EQ(h.stats().dead, 1u);
  EXPECT_EQ(h.stats().released, 1u);
  EXPECT_EQ(h.stats().held, 1u);
  EXPECT_EQ(h.stats().in_flight, 2u);
  EXPECT_DOUBLE_EQ(h.stats().handling.sum, 4 * 0.003);
  EXPECT_DOUBLE_EQ(h.stats().end_to_end.sum, 0.003) << "of what was done only";
}

TEST(DispatcherStatsTest, ShowItsSessions) {
  DispatcherHarness h;
  h.Up(Session(4));
  h.Deliver(3);
  h.Draining(4);
  const std::vector<SessionView> sessions = h.dispatcher().sessions();
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_EQ(sessions[0].session, 4u);
  EXPECT_EQ(sessions[0].instance, 4u);
  EXPECT_EQ(sessions[0].in_flight, 3u);
  EXPECT_EQ(sessions[0].window, 16u);
  EXPECT_TRUE(sessions[0].draining);
}

TEST(DispatcherTest, WantsNoWakingWhileNothingIsPending) {
  DispatcherHarness h;
  h.Up(Session(1));
  EXPECT_EQ(h.WakesIn(), std::nullopt);
}

TEST(DispatcherTest, GivesTheSameEffectsForTheSameInputsAndSeed) {
  const auto delays = [](uint64_t seed) {
    DispatcherOptions options = OneLane();
    options.lanes[0].retry.jitter = 0.5;
    options.probe_after = 1000;
    DispatcherHarness h(options, seed);
    h.Up(Session(1));
    h.Deliver(8);
    h.Retry("e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8");
    return h.Settlements();
  };
  EXPECT_EQ(delays(1), delays(1));
  EXPECT_NE(delays(1), delays(2));
}

}  // namespace
}  // namespace outboard::lane
