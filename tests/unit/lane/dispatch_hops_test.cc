// Lanes with stages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/event/wire_text.h"
#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr SessionId kStage = 1;
constexpr SessionId kWorker = 2;

// A stage and a worker, each with a session.
class HopsTest : public ::testing::Test {
 protected:
  explicit HopsTest(DispatcherOptions options = OneStage()) : h_(std::move(options)) {
    h_.Up(Session(kStage));
    h_.Up(WorkerSession(kWorker));
  }
  static DispatcherOptions Ordered() {
    DispatcherOptions options = OneStage();
    for (LaneOptions& lane : options.lanes) lane.order_by = "key";
    return options;
  }
  static DispatcherOptions FailingOpen() {
    DispatcherOptions options = OneStage();
    options.lanes[0].fail_open = true;
    return options;
  }
  void Change(const std::string& event, const std::string& id, const std::string& type) {
    Answer answer;
    answer.verdict = Verdict::kDone;
    answer.changed = wire_text::Join({wire_text::Id(id), wire_text::Source("tracker"),
                                      wire_text::Version("1.0"), wire_text::Type(type)});
    h_.Say(event, std::move(answer));
  }

  DispatcherHarness h_;
};

TEST_F(HopsTest, WhatAStageLetsPassGoesToTheTargetAndEndsThere) {
  h_.Deliver(2);
  EXPECT_THAT(h_.Sent(), ElementsAre("1: e1 e2"));
  h_.Done("e1", "e2");
  EXPECT_THAT(h_.Sent(), ElementsAre("2: e1", "2: e2"));
  EXPECT_THAT(h_.Settlements(), IsEmpty());
  EXPECT_EQ(h_.stats(0).forwarded, 2u);
  h_.Done("e2", "e1");
  EXPECT_THAT(h_.Settlements(), ElementsAre("e2 done", "e1 done"));
  EXPECT_EQ(h_.stats(0).forwarded, 0u);
  EXPECT_EQ(h_.stats(0).done, 2u);
}

TEST_F(HopsTest, ALetterHasTheTurnsOfAllHops) {
  h_.Deliver(1);
  h_.Done("e1");
  h_.Reject("e1", "NO_SUCH_STORY");
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 dead NO_SUCH_STORY"));
  const bus::Settlement& settlement = h_.SettlementOf("e1");
  ASSERT_NE(settlement.tried, nullptr);
  ASSERT_EQ(settlement.tried->size(), 1u);
  EXPECT_EQ(settlement.tried->front().reason, "NO_SUCH_STORY");
  EXPECT_EQ(settlement.dead->version, "v1");
}

TEST_F(HopsTest, AHaltEndsTheWalk) {
  h_.Deliver(1);
  h_.Say("e1", Verdict::kHalt);
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 dropped"));
  EXPECT_EQ(h_.SettlementOf("e1").dropped_by, "filter");
  EXPECT_EQ(h_.stats(0).halted, 1u);
}

TEST_F(HopsTest, AChangedEventGoesOnInItsPlace) {
  h_.Deliver(1);
  Change("e1", "e1", "story.redacted");
  EXPECT_EQ(h_.ItemOf("e1").event.type(), "story.redacted");
  h_.Done("e1");
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 done"));
}

TEST_F(HopsTest, AChangeOfTheIdentityIsRefused) {
  h_.Deliver(1);
  Change("e1", "another", "story.redacted");
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 dead CHANGE_REFUSED"));
}

TEST_F(HopsTest, AChangeThatIsNoEventIsRefused) {
  h_.Deliver(1);
  Answer answer;
  answer.verdict = Verdict::kDone;
  answer.changed = "no event";
  h_.Say("e1", std::move(answer));
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 dead CHANGE_REFUSED"));
}

TEST_F(HopsTest, EachHopMayRetryRejectAndRelease) {
  h_.Deliver(4);
  h_.Retry("e1");
  h_.Reject("e2", "BAD");
  h_.Done("e3", "e4");
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 retry in 1000 ms", "e2 dead BAD"));
  h_.Retry("e3");
  h_.Reject("e4", "WORSE");
  EXPECT_THAT(h_.Settlements(), ElementsAre("e3 retry in 1000 ms", "e4 dead WORSE"));
  EXPECT_EQ(h_.SettlementOf("e3").attempts, 1u);
  EXPECT_EQ(h_.stats(0).retries, 2u);
}

TEST_F(HopsTest, AttemptsOfAllHopsCountTogether) {
  h_.Deliver(1, {.attempts = 11});
  h_.Done("e1");
  EXPECT_EQ(h_.ItemOf("e1").attempt, 12u);
  h_.Say("e1", Verdict::kRetry, "DB_DOWN");
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 dead DB_DOWN"));
}

TEST_F(HopsTest, EmitsOfTheTargetArePublishedWithTheEnd) {
  SessionUp emits = WorkerSession(3);
  emits.emits = {"#"};
  h_.Down(kWorker, DownCause::kDrained);
  h_.Up(emits);
  h_.Deliver(1);
  h_.Done("e1");
  h_.DoneWith("e1", {wire_text::Join({wire_text::Version("1.0"), wire_text::Type("a.b")})});
  EXPECT_EQ(h_.SettlementOf("e1").emits.size(), 1u);
  EXPECT_EQ(h_.stats(0).emitted, 1u);
}

TEST_F(HopsTest, AStagePassesWhatItDoesNotHook) {
  SessionUp hooks = Session(3);
  hooks.event_types = {"task.#"};
  h_.Down(kStage, DownCause::kDrained);
  h_.Up(hooks);
  h_.Deliver(1);
  EXPECT_THAT(h_.Sent(), ElementsAre("2: e1"));
}

TEST_F(HopsTest, WhatAStageDoesNotHookWaitsForNothing) {
  SessionUp hooks = Session(3);
  hooks.event_types = {"task.#"};
  h_.Down(kStage, DownCause::kDrained);
  h_.Up(hooks);
  h_.Window(3, 0);
  h_.Deliver(1);
  EXPECT_THAT(h_.Sent(), ElementsAre("2: e1"));
  h_.Crash(3);  // No instance is left.
  h_.Deliver(1);
  EXPECT_THAT(h_.Sent(), ElementsAre("2: e2"));
}

TEST_F(HopsTest, TakesNoMoreThanTheTargetCanTake) {
  h_.Window(kWorker, 0);
  EXPECT_EQ(h_.Credit(1), 0u);
  EXPECT_EQ(h_.Credit(0), 0u);
  h_.Window(kWorker, 16);
  EXPECT_GT(h_.Credit(0), 0u);
}

TEST_F(HopsTest, ADrainGivesBackWhatIsBetweenHops) {
  h_.Deliver(3);
  h_.Done("e1", "e2");
  h_.Drain(seconds(20));
  h_.Done("e3");  // Comes to a target that takes nothing any more.
  EXPECT_THAT(h_.Settlements(), ElementsAre("e3 returned"));
  h_.Done("e1");
  EXPECT_FALSE(h_.drained());
  h_.Advance(seconds(20));
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 done", "e2 returned"));
  EXPECT_TRUE(h_.drained());
}

TEST_F(HopsTest, TheTargetsCrashMakesItsSuspectsOnly) {
  h_.Deliver(2);
  h_.Done("e1");
  h_.Crash(kWorker);
  EXPECT_THAT(h_.Suspects(), ElementsAre("e1: 0 ends"));
  EXPECT_THAT(h_.Settlements(), IsEmpty());
  SessionUp quarantine = QuarantineSession(3);
  quarantine.component = 1;
  h_.Up(quarantine);
  h_.Done("e1");
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 done"));
}

// ---- Order
// ------------------------------------------------------------------------------------

class OrderedHopsTest : public HopsTest {
 protected:
  OrderedHopsTest() : HopsTest(Ordered()) {}
};

TEST_F(OrderedHopsTest, AKeyIsHeldUntilItsEventEndedAtTheTarget) {
  h_.Deliver(2, {.key = "a"});
  h_.Deliver(1, {.key = "b"});
  EXPECT_THAT(h_.Sent(), ElementsAre("1: e1", "1: e3"));
  h_.Done("e1");
  EXPECT_THAT(h_.Sent(), ElementsAre("2: e1"));
  h_.Done("e1");
  EXPECT_THAT(h_.Sent(), ElementsAre("1: e2"));
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 done"));
}

TEST_F(OrderedHopsTest, AStageGetsNoRunsOfAKey) {
  h_.Down(kStage, DownCause::kDrained);
  h_.Up(InOrderSession(3));
  h_.Deliver(3, {.key = "a"});
  EXPECT_THAT(h_.Sent(), ElementsAre("3: e1"));
}

TEST_F(OrderedHopsTest, ASuspectOfTheStageIsNotGivenUpWhileOnlyTheTargetIsAway) {
  h_.Deliver(1, {.key = "a"});
  h_.Crash(kStage);
  h_.Up(Session(3));
  for (SessionId id : {4, 5}) EndOne(h_, id);
  h_.ForgetOutput();
  h_.Down(kWorker, DownCause::kDrained);
  EXPECT_EQ(h_.Credit(0), 0u);
  EXPECT_THAT(h_.Settlements(), IsEmpty());
  EXPECT_THAT(h_.Suspects(), ElementsAre("e1: 2 ends, set aside"));
}

TEST_F(OrderedHopsTest, ARetryOfTheTargetWaitsInMemoryAndWalksAgain) {
  h_.Deliver(2, {.key = "a"});
  h_.Done("e1");
  h_.ForgetOutput();
  h_.Retry("e1");
  EXPECT_THAT(h_.Settlements(), IsEmpty());
  h_.Advance(seconds(2));
  EXPECT_THAT(h_.Sent(), ElementsAre("1: e1")) << "the stage first, and e2 waits";
  EXPECT_EQ(h_.ItemOf("e1").attempt, 2u);
}

// ---- A stage that fails open
// ------------------------------------------------------------------------------------

class FailingOpenTest : public HopsTest {
 protected:
  FailingOpenTest() : HopsTest(FailingOpen()) {}
};

TEST_F(FailingOpenTest, RetriesAndDeadlinesLetTheEventPassUncharged) {
  h_.Deliver(2);
  h_.ForgetOutput();
  h_.Retry("e1");
  EXPECT_THAT(h_.Sent(), ElementsAre("2: e1"));
  EXPECT_EQ(h_.ItemOf("e1").attempt, 1u);
  h_.Advance(seconds(31));
  EXPECT_THAT(h_.Sent(), ElementsAre("2: e2"));
}

TEST_F(FailingOpenTest, ARejectIsAVerdict) {
  h_.Deliver(1);
  h_.Reject("e1", "BAD");
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 dead BAD"));
}

TEST_F(FailingOpenTest, AnAbsentStageIsPassedByAfterAWhile) {
  h_.Down(kStage, DownCause::kDrained);
  h_.Deliver(1);
  h_.Advance(seconds(9));
  EXPECT_THAT(h_.Sent(), IsEmpty());
  h_.Advance(seconds(2));
  EXPECT_THAT(h_.Sent(), ElementsAre("2: e1"));
  EXPECT_GT(h_.Credit(0), 0u);
  h_.Deliver(1);
  EXPECT_THAT(h_.Sent(), ElementsAre("2: e2")) << "at once";
  h_.Up(Session(3));
  h_.Deliver(1);
  EXPECT_THAT(h_.Sent(), ElementsAre("3: e3"));
}

TEST_F(FailingOpenTest, WhatItHadInHandWhenItDiedForGoodPasses) {
  h_.Deliver(2);
  h_.ForgetOutput();
  h_.Crash(kStage);
  EXPECT_THAT(h_.Sent(), IsEmpty()) << "they may be tried yet";
  h_.Advance(seconds(11));
  EXPECT_THAT(h_.Sent(), ElementsAre("2: e1", "2: e2"));
  EXPECT_THAT(h_.Suspects(), IsEmpty());
  h_.Done("e1", "e2");
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 done", "e2 done"));
}

class OrderedFailingOpenTest : public HopsTest {
 protected:
  OrderedFailingOpenTest() : HopsTest(Options()) {}
  static DispatcherOptions Options() {
    DispatcherOptions options = Ordered();
    options.lanes[0].fail_open = true;
    return options;
  }
};

TEST_F(OrderedFailingOpenTest, ARetryOfTheTargetKeepsItsDelayWhileTheStageIsAway) {
  h_.Down(kStage, DownCause::kDrained);
  h_.Advance(seconds(11));
  h_.Deliver(2, {.key = "a"});
  EXPECT_THAT(h_.Sent(), ElementsAre("2: e1"));
  h_.Retry("e1");
  EXPECT_THAT(h_.Sent(), IsEmpty());
  EXPECT_THAT(h_.Settlements(), IsEmpty());
  h_.Advance(seconds(1));
  EXPECT_THAT(h_.Sent(), ElementsAre("2: e1"));
  EXPECT_EQ(h_.ItemOf("e1").attempt, 2u);
}

TEST_F(FailingOpenTest, AnEventThatEndsTheStageAgainAndAgainPasses) {
  h_.Deliver(1);
  h_.Crash(kStage);
  h_.Up(Session(3));
  for (SessionId id : {4, 5}) EndOne(h_, id);
  EXPECT_THAT(h_.Suspects(), ElementsAre("e1: 2 ends, set aside"));
  h_.ForgetOutput();
  h_.Deliver(1);
  h_.Done("e2");  // The control.
  EXPECT_THAT(h_.Sent(), ElementsAre("3: e2", "2: e1", "2: e2"));
  EXPECT_THAT(h_.Settlements(), IsEmpty());
}

// ---- A stage that observes
// ------------------------------------------------------------------------------------

// The harness has one dispatcher and no bus beside it: copies come as deliveries of the observer.
class ObservingTest : public ::testing::Test {
 protected:
  ObservingTest() : h_(Options()) { h_.Up(Session(kStage)); }
  static DispatcherOptions Options() {
    DispatcherOptions options = OneLane();
    options.lanes[0].role = Role::kStage;
    options.lanes[0].observes = true;
    return options;
  }
  DispatcherHarness h_;
};

TEST_F(ObservingTest, NothingComesOfWhatItSays) {
  h_.Deliver(4);
  h_.Done("e1");
  h_.Retry("e2");
  h_.Reject("e3", "BAD");
  h_.Say("e4", Verdict::kHalt);
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 done", "e2 dropped", "e3 dropped", "e4 dropped"));
  EXPECT_THAT(h_.Notices(), IsEmpty());
  EXPECT_EQ(h_.stats().passed, 1u);
  EXPECT_EQ(h_.stats().rejected, 1u);
  EXPECT_EQ(h_.stats().halted, 1u);
}

// ---- A time limit of its own
// ------------------------------------------------------------------------------------

TEST(HopTimeLimitTest, HoldsForItsLaneOnly) {
  DispatcherOptions options = OneStage();
  options.lanes[0].time_limit = milliseconds(500);
  DispatcherHarness h(options);
  h.Up(Session(kStage));
  h.Up(WorkerSession(kWorker));
  h.Deliver(2);
  EXPECT_EQ(h.ItemOf("e1").time_left, milliseconds(500));
  h.Done("e1");
  EXPECT_EQ(h.ItemOf("e1").time_left, std::nullopt);
  h.Advance(milliseconds(499));
  EXPECT_THAT(h.Settlements(), IsEmpty());
  h.Advance(milliseconds(1));
  EXPECT_THAT(h.Settlements(), ElementsAre("e2 retry in 1000 ms"));
  h.Advance(seconds(29));
  EXPECT_THAT(h.Settlements(), IsEmpty()) << "the target has the plugin's";
}

// ---- Deadlines behind the first hop

class LateHopsTest : public HopsTest {
 protected:
  LateHopsTest() : HopsTest(Ordered()) {
    h_.Deliver(1, {.key = "k"});
    h_.Deliver(1, {.key = "k"});
    h_.Done("e1");
    EXPECT_THAT(h_.Sent(), ElementsAre("1: e1", "2: e1"));
    h_.Advance(seconds(31));
  }
};

TEST_F(LateHopsTest, WhatExpiresHoldsItsKeyUntilItIsAnswered) {
  EXPECT_EQ(h_.stats(1).deadlines, 1u);
  h_.Advance(seconds(5));
  EXPECT_THAT(h_.Sent(), IsEmpty()) << "the worker may still be at it";
  h_.Done("e1");
  h_.Advance(seconds(2));
  EXPECT_THAT(h_.Sent(), ElementsAre("1: e1")) << "from the first hop on, and e2 behind it";
  EXPECT_EQ(h_.stats(0).retries, 1u);
}

TEST_F(LateHopsTest, WhatExpiresHoldsItsKeyUntilItsSessionIsOver) {
  h_.Crash(kWorker);
  EXPECT_THAT(h_.dispatcher().suspects(), IsEmpty());
  h_.Advance(seconds(2));
  EXPECT_THAT(h_.Sent(), ElementsAre("1: e1"));
}

}  // namespace
}  // namespace outboard::lane
