// A person pauses a lane, or another config says how events are to be treated.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/event/wire_text.h"
#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

TEST(PauseTest, WhatAPluginHasMayFinishAndTheRestGoesBack) {
  DispatcherOptions options = OneLane();
  options.session_deliveries = 2;
  DispatcherHarness h(options);
  h.Up(Session(1));
  EXPECT_GT(h.Credit(), 0u);
  h.Deliver(4);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2"));
  h.Give(PauseLane{0, true});
  EXPECT_EQ(h.Credit(), 0u);
  EXPECT_TRUE(h.stats().paused);
  EXPECT_THAT(h.Settlements(), ElementsAre("e3 returned", "e4 returned"));
  h.Done("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done"));
  EXPECT_THAT(h.Sent(), IsEmpty());
  EXPECT_FALSE(h.dispatcher().empty(0));
  h.Done("e2");
  EXPECT_TRUE(h.dispatcher().empty(0));
}

TEST(PauseTest, WhatWasOnItsWayGoesBackToo) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Give(PauseLane{0, true});
  h.Deliver(2);
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 returned", "e2 returned"));
  EXPECT_THAT(h.Sent(), IsEmpty());
}

TEST(PauseTest, AResumedLaneGoesOn) {
  DispatcherHarness h;
  h.Up(Session(1));
  const uint32_t credit = h.Credit();
  h.Give(PauseLane{0, true});
  h.Give(PauseLane{0, false});
  EXPECT_FALSE(h.stats().paused);
  EXPECT_EQ(h.Credit(), credit);
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
}

TEST(PauseTest, NothingOfAnOrderedLaneIsHeld) {
  DispatcherHarness h(OneOrderedLane());
  h.Up(Session(1));
  h.Deliver(3, {.key = "a"});
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
  h.Give(PauseLane{0, true});
  EXPECT_THAT(h.Settlements(), ElementsAre("e2 returned", "e3 returned"));
  h.Retry("e1");  // Would be held in memory.
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 returned"));
  EXPECT_TRUE(h.dispatcher().empty(0));
}

TEST(PauseTest, SuspectsGoBackAndSoDoesOneOnTrialThatIsLost) {
  DispatcherHarness h;
  h.Up(Session(1));
  Suspect(h, 3);
  h.Up(QuarantineSession(2));
  EXPECT_THAT(h.Sent(), testing::Contains("2: e1"));
  h.ForgetOutput();
  h.Give(PauseLane{0, true});
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e2 returned", "e3 returned"));
  h.Crash(2);
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 returned"));
  EXPECT_THAT(h.Suspects(), IsEmpty());
  EXPECT_FALSE(h.wants_quarantine());
}

TEST(PauseTest, AllHopsOfALaneRunDry) {
  DispatcherHarness h(OneStage());
  h.Up(Session(1));
  h.Up(WorkerSession(2));
  h.Deliver(2);
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2", "2: e1"));
  h.Give(PauseLane{0, true});
  h.Give(PauseLane{1, true});
  h.Done("e2");  // The stage lets it pass, and the target takes nothing more.
  EXPECT_THAT(h.Settlements(), ElementsAre("e2 returned"));
  h.Done("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done"));
  EXPECT_TRUE(h.dispatcher().empty(0));
  EXPECT_TRUE(h.dispatcher().empty(1));
}

TEST(PauseTest, WhatAStageWouldLetPassGoesBackToo) {
  DispatcherOptions options = OneStage();
  options.lanes[1].role = Role::kStage;  // Another stage, which takes other types.
  options.lanes[1].next = 2;
  LaneOptions target = options.lanes[1];
  target.id = 2;
  target.role = Role::kWorker;
  target.next.reset();
  options.lanes.push_back(target);
  DispatcherHarness h(options);
  h.Up(Session(1));
  SessionUp second = WorkerSession(2);
  second.event_types = {"nothing.such"};
  h.Up(second);
  h.Deliver(1);
  for (const LaneId hop : {0u, 1u, 2u}) h.Give(PauseLane{hop, true});
  h.Done("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 returned"));
  for (const LaneId hop : {0u, 1u, 2u}) EXPECT_TRUE(h.dispatcher().empty(hop)) << hop;
}

DispatcherOptions Stopping(DispatcherOptions options) {
  for (LaneOptions& lane : options.lanes) lane.stops = true;
  return options;
}

// A lane of which the bus has no dead letters.
void Begin(DispatcherHarness& h) { h.Give(GoOn{0, 1}); }

TEST(StopTest, ALaneBeginsStopped) {
  DispatcherHarness h(Stopping(OneLane()));
  h.Up(Session(1));
  EXPECT_EQ(h.Credit(), 0u);
  EXPECT_TRUE(h.stats().stopped);
  EXPECT_THAT(h.Notices(), IsEmpty());
  Begin(h);
  EXPECT_FALSE(h.stats().stopped);
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
}

TEST(StopTest, WhatIsInFlightMayFinishBehindADeadLetterAndTheRestGoesBack) {
  DispatcherOptions options = Stopping(OneLane());
  options.session_deliveries = 2;
  DispatcherHarness h(options);
  h.Up(Session(1));
  Begin(h);
  h.Deliver(4);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2"));
  h.Reject("e1", "BAD");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead BAD", "e3 returned", "e4 returned"));
  EXPECT_THAT(h.Sent(), IsEmpty());
  EXPECT_EQ(h.Credit(), 0u);
  EXPECT_THAT(h.Notices(), ElementsAre("dead e1", "stopped"));
  h.Reject("e2", "BAD");  // No error: it was out before.
  EXPECT_THAT(h.Settlements(), ElementsAre("e2 dead BAD"));
  EXPECT_THAT(h.Notices(), ElementsAre("dead e2"));
  EXPECT_EQ(h.stats().stops, 3u);
  h.Deliver(1);
  EXPECT_THAT(h.Settlements(), ElementsAre("e5 returned"));
}

TEST(StopTest, NothingFollowsInTheFrameOfWhatIsTooLarge) {
  DispatcherHarness h(Stopping(OneLane()));
  SessionUp small = Session(1);
  small.max_message_bytes = 1000;
  small.max_in_flight = 1;
  h.Up(small);
  Begin(h);
  h.Deliver(1);
  h.Deliver(1, {.data = 2000});
  h.Deliver(1);
  h.ForgetOutput();
  h.Done("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done", "e2 dead TOO_LARGE", "e3 returned"));
  EXPECT_THAT(h.Sent(), IsEmpty());
}

TEST(StopTest, ALetterThatNobodyHasSeenKeepsItStopped) {
  DispatcherHarness h(Stopping(OneLane()));
  h.Up(Session(1));
  Begin(h);
  h.Deliver(2);
  h.Reject("e1");
  const uint64_t seen = h.stats().stops;
  h.Reject("e2");
  h.Give(GoOn{0, seen});
  EXPECT_TRUE(h.stats().stopped);
  h.Give(GoOn{0, h.stats().stops});
  EXPECT_FALSE(h.stats().stopped);
  EXPECT_GT(h.Credit(), 0u);
}

TEST(StopTest, ItSaysWhetherTheBusHasTheLetter) {
  DispatcherHarness h(Stopping(OneLane()));
  h.Up(Session(1));
  Begin(h);
  h.Deliver(1);
  h.HoldSettles();
  h.Reject("e1");
  EXPECT_EQ(h.stats().dying, 1u);
  h.SettleHeld(absl::UnavailableError("disk full"));
  EXPECT_EQ(h.stats().dying, 1u);
  h.Advance(seconds(1));
  h.SettleHeld();
  EXPECT_EQ(h.stats().dying, 0u);
}

TEST(StopTest, EmitsThatTheBusRefusesStopIt) {
  DispatcherHarness h(Stopping(OneLane()));
  SessionUp session = Session(1);
  session.emits = {"#"};
  h.Up(session);
  Begin(h);
  h.Deliver(1);
  h.HoldSettles();
  h.DoneWith("e1", {wire_text::Join({wire_text::Type("story.seen")})});
  EXPECT_FALSE(h.stats().stopped);
  h.SettleHeld(absl::InvalidArgumentError("no such exchange"));
  EXPECT_TRUE(h.stats().stopped);
  EXPECT_EQ(h.stats().dying, 1u);
}

TEST(StopTest, APauseAndADeadLetterDoNotUndoEachOther) {
  DispatcherHarness h(Stopping(OneLane()));
  h.Up(Session(1));
  Begin(h);
  h.Deliver(1);
  h.Give(PauseLane{0, true});
  h.Reject("e1");
  h.Give(GoOn{0, h.stats().stops});
  EXPECT_EQ(h.Credit(), 0u);
  h.Give(StopLane{0});
  h.Give(PauseLane{0, false});
  EXPECT_EQ(h.Credit(), 0u);
  h.Give(GoOn{0, h.stats().stops});
  EXPECT_GT(h.Credit(), 0u);
}

TEST(StopTest, TheHopsBehindStopToo) {
  DispatcherHarness h(Stopping(OneStage()));
  h.Up(Session(1));
  SessionUp target = WorkerSession(2);
  target.max_in_flight = 1;
  h.Up(target);
  Begin(h);
  h.Deliver(3);
  h.Done("e1", "e2");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1 e2 e3", "2: e1"));
  h.Reject("e3");  // By the stage.
  EXPECT_TRUE(h.stats(1).stopped);
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e3 dead UNSPECIFIED", "e2 returned"));
  h.Done("e1");
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Give(GoOn{0, h.stats().stops});
  EXPECT_FALSE(h.stats(1).stopped);
}

TEST(StopTest, ALetterOfAHopBehindStopsAll) {
  DispatcherHarness h(Stopping(OneStage()));
  h.Up(Session(1));
  h.Up(WorkerSession(2));
  Begin(h);
  h.Deliver(1);
  h.Done("e1");
  h.Reject("e1");
  EXPECT_TRUE(h.stats(0).stopped);
  EXPECT_EQ(h.stats(0).stops, 2u);
  EXPECT_TRUE(h.stats(1).stopped);
}

TEST(StopTest, AnotherConfigBeginsOrEndsIt) {
  DispatcherHarness h(OneLane());
  h.Up(Session(1));
  h.Give(Configure{Stopping(OneLane())});
  EXPECT_TRUE(h.stats().stopped);
  EXPECT_EQ(h.Credit(), 0u);
  h.Give(Configure{OneLane()});
  EXPECT_FALSE(h.stats().stopped);
  EXPECT_GT(h.Credit(), 0u);
  h.Deliver(1);
  h.Reject("e1");
  EXPECT_FALSE(h.stats().stopped);
}

TEST(HooksTest, AreThoseOfASessionThatStillTakesWork) {
  DispatcherHarness h(OneStage());
  h.Up(Session(1));  // All types.
  h.Up(WorkerSession(2));
  SessionUp other = Session(3);
  other.event_types = {"nothing.such"};
  h.Up(other);
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("2: e1"));  // The newest one says that it passes.
  h.Draining(3);
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e2"));
}

TEST(ConfigureTest, LanesComeAndGo) {
  DispatcherOptions options = OneLane();
  DispatcherHarness h(options);
  h.Up(Session(1));
  LaneOptions second = options.lanes[0];
  second.id = 7;
  second.name = "other/worker";
  options.lanes.push_back(second);
  h.Give(Configure{options});
  EXPECT_GT(h.Credit(7), 0u);
  h.Deliver(1, {.lane = 7});
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
  h.Done("e1");
  h.Give(PauseLane{0, true});
  options.lanes.erase(options.lanes.begin());
  h.Give(Configure{options});
  h.Deliver(1, {.lane = 7});
  EXPECT_THAT(h.Sent(), ElementsAre("1: e2"));
  EXPECT_EQ(h.stats(7).received, 2u);
}

TEST(ConfigureTest, AComponentThatIsNewGetsItsOwnEvents) {
  DispatcherOptions options = OneLane();
  DispatcherHarness h(options);
  h.Up(Session(1));
  options.components.push_back("plugin.other");
  LaneOptions second = options.lanes[0];
  second.id = 7;
  second.component = 1;
  options.lanes.push_back(second);
  h.Give(Configure{options});
  EXPECT_EQ(h.Credit(7), 0u);
  h.Up(WorkerSession(2));
  EXPECT_GT(h.Credit(7), 0u);
  h.Deliver(1, {.lane = 7});
  EXPECT_THAT(h.Sent(), ElementsAre("2: e1"));
}

TEST(ConfigureTest, TheRetryPolicyCountsFromNowOn) {
  DispatcherOptions options = OneLane();
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(1);
  options.lanes[0].retry.max_attempts = 1;
  h.Give(Configure{options});
  h.Retry("e1");
  ASSERT_THAT(h.Settlements(), SizeIs(1));
  EXPECT_EQ(h.SettlementOf("e1").end, bus::End::kDead);
}

TEST(ConfigureTest, AnEventKeepsItsWayThroughHops) {
  DispatcherOptions options = OneStage();
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Up(WorkerSession(2));
  h.Deliver(1);
  h.Give(Configure{options});
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1", "2: e1"));
  h.Done("e1");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done"));
}

}  // namespace
}  // namespace outboard::lane
