// Crash attribution: which event, if any, ends its plugin's process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using std::chrono::minutes;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// ---- Trials
// --------------------------------------------------------------------------------------

TEST(DispatchSuspectsTest, TriesSuspectsOneAtATimeOldestFirst) {
  DispatcherHarness h;
  Suspect(h, 3);
  EXPECT_TRUE(h.wants_quarantine());
  h.ForgetOutput();
  h.Up(QuarantineSession(2));
  EXPECT_THAT(h.Sent(), ElementsAre("2: e1"));
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("2: e2"));
  h.Done("e2");
  EXPECT_THAT(h.Sent(), ElementsAre("2: e3"));
  EXPECT_TRUE(h.wants_quarantine());
  h.Done("e3");
  EXPECT_THAT(h.Notices(), ElementsAre("cleared e1", "cleared e2", "cleared e3"));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done", "e2 done", "e3 done"));
  EXPECT_FALSE(h.wants_quarantine());
  EXPECT_EQ(h.ItemOf("e3").attempt, 1u) << "innocents are not charged";
}

TEST(DispatchSuspectsTest, OtherEventsFlowOnElsewhereMeanwhile) {
  DispatcherHarness h;
  Suspect(h, 1);
  h.Up(QuarantineSession(2));
  h.ForgetOutput();
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), IsEmpty()) << "a quarantine session gets suspects only";
  h.Up(Session(3));
  EXPECT_THAT(h.Sent(), ElementsAre("3: e2"));
}

TEST(DispatchSuspectsTest, LaterEventsOfASuspectsKeyWait) {
  DispatcherHarness h(OneOrderedLane());
  Suspect(h, 2, {.key = "k"});
  h.Up(Session(2));
  h.Deliver(1, {.key = "m"});
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1", "2: e3"));
  h.Up(QuarantineSession(3));
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("3: e1", "2: e2"));
}

TEST(DispatchSuspectsTest, ARunOfAKeyIsTriedInItsOrder) {
  DispatcherHarness h(OneOrderedLane());
  h.Deliver(2, {.key = "k"});
  SessionUp session = Session(1);
  session.in_order = true;
  h.Up(session);
  h.Crash(1);
  h.ForgetOutput();
  h.Up(QuarantineSession(2));
  h.Retry("e1");  // Holds its key: e2 must wait, though it is a suspect too.
  EXPECT_THAT(h.Sent(), ElementsAre("2: e1"));
  EXPECT_THAT(h.Suspects(), ElementsAre("e2: 0 ends"));
}

TEST(DispatchSuspectsTest, ARetryClearsAndIsCountedAsUsual) {
  DispatcherHarness h;
  Suspect(h, 1);
  h.Up(QuarantineSession(2));
  h.Retry("e1");
  EXPECT_THAT(h.Suspects(), IsEmpty());
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 retry in 1000 ms"));
  EXPECT_EQ(h.SettlementOf("e1").attempts, 1u);
}

TEST(DispatchSuspectsTest, ADeadlineClearsButTheNextWaitsUntilTheAnswerOrTheEnd) {
  DispatcherHarness h;
  Suspect(h, 2);
  h.Up(QuarantineSession(2));
  h.ForgetOutput();
  h.Advance(seconds(30));
  EXPECT_THAT(h.Notices(), ElementsAre("cleared e1"));
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 retry in 1000 ms"));
  EXPECT_THAT(h.Sent(), IsEmpty()) << "a crash by e1 now would be laid at e2's door";
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("2: e2"));
}

TEST(DispatchSuspectsTest, ADrainedQuarantineSessionCountsNoEnd) {
  DispatcherHarness h;
  Suspect(h, 1);
  h.Up(QuarantineSession(2));
  h.Down(2, DownCause::kDrained);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 0 ends"));
  EXPECT_TRUE(h.wants_quarantine());
}

TEST(DispatchSuspectsTest, EveryOtherEndOfAQuarantineSessionCounts) {
  for (const DownCause cause :
       {DownCause::kCrashed, DownCause::kProtocolError, DownCause::kStreamFailed}) {
    DispatcherHarness h;
    Suspect(h, 1);
    h.Up(QuarantineSession(2));
    h.Down(2, cause);
    EXPECT_THAT(h.Suspects(), ElementsAre("e1: 1 ends"));
  }
}

TEST(DispatchSuspectsTest, BreakingTheContractInQuarantineCountsAnEnd) {
  DispatcherHarness h;
  Suspect(h, 1);
  h.Up(QuarantineSession(2));
  AnswersArrived in;
  in.session = 2;
  in.done_ids = {99};
  h.Give(std::move(in));
  h.Down(2, DownCause::kDrained);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 1 ends"));
}

// ---- Setting aside and conviction
// ----------------------------------------------------------------

TEST(DispatchSuspectsTest, ConvictsAfterTwoEndsAndAControl) {
  DispatcherHarness h;
  Suspect(h, 2);
  EndOne(h, 2);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 1 ends", "e2: 0 ends"));
  h.ForgetOutput();
  h.Up(QuarantineSession(3));
  EXPECT_THAT(h.Sent(), ElementsAre("3: e1")) << "still the oldest";
  h.Down(3, DownCause::kCrashed, "signal 11, std::vector::at");
  EXPECT_THAT(h.Notices(), ElementsAre("set aside e1"));
  EXPECT_THAT(h.Suspects(), ElementsAre("e2: 0 ends", "e1: 2 ends, set aside"));
  EXPECT_THAT(h.Settlements(), IsEmpty());
  h.Up(QuarantineSession(4));
  h.Done("e2");  // The control.
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e1 dead CRASHED", "e2 done"));
  EXPECT_EQ(h.SettlementOf("e1").dead->detail,
            "plugin version v1; first lost with 2 in flight; signal 11, std::vector::at");
  EXPECT_THAT(h.SettlementOf("e1").dead->message, HasSubstr("2 processes of search"));
  EXPECT_EQ(h.SettlementOf("e1").attempts, 0u);
  EXPECT_THAT(h.Notices(), Contains("convicted e1"));
  EXPECT_THAT(h.Suspects(), IsEmpty());
}

DispatcherOptions FullWithTwo() {
  DispatcherOptions options = OneOrderedLane();
  options.lane_held = 2;
  return options;
}

TEST(DispatchSuspectsTest, AFullLaneGivesUpWhatNoTrialCanProve) {
  DispatcherHarness h(FullWithTwo());
  Suspect(h, 1, {.key = "k"});
  h.Deliver(1, {.key = "k"});
  EndOne(h, 2);
  EXPECT_THAT(h.Settlements(), IsEmpty());
  EndOne(h, 3);
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead SUSPECTED"));
}

TEST(DispatchSuspectsTest, AFullLaneGivesNothingUpWhileAnotherSuspectMayProveIt) {
  DispatcherHarness h(FullWithTwo());
  h.Deliver(1, {.key = "k"});
  h.Deliver(1, {.key = "m"});
  h.Up(Session(1));
  h.Crash(1);
  EndOne(h, 2);
  EndOne(h, 3);
  EXPECT_THAT(h.Suspects(), ElementsAre("e2: 0 ends", "e1: 2 ends, set aside"));
  h.Up(QuarantineSession(4));
  h.Done("e2");  // The control.
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e1 dead CRASHED", "e2 done"));
}

TEST(DispatchSuspectsTest, ABadDeployOnAFullLaneOpensTheCircuitAndGivesNothingUp) {
  DispatcherHarness h(FullWithTwo());
  h.Deliver(1, {.key = "k"});
  h.Deliver(1, {.key = "m"});
  h.Up(Session(1));
  h.Crash(1);
  for (SessionId id = 2; id < 6; ++id) EndOne(h, id);
  EXPECT_EQ(h.dispatcher().circuit(), CircuitState::kOpen);
  EXPECT_THAT(h.Settlements(), IsEmpty());
}

TEST(DispatchSuspectsTest, AConvictionHasTheLostSessionsAsItsHistory) {
  DispatcherHarness h;
  Suspect(h, 2);
  EndOne(h, 2);
  EndOne(h, 3);
  h.Up(QuarantineSession(4));
  h.Done("e2");
  const bus::Settlement& settlement = h.SettlementOf("e1");
  ASSERT_EQ(settlement.end, bus::End::kDead);
  EXPECT_EQ(settlement.dead->version, "v1");
  ASSERT_NE(settlement.tried, nullptr);
  ASSERT_EQ(settlement.tried->size(), 3u) << "once among others, twice alone";
  for (const bus::Attempt& attempt : *settlement.tried) {
    EXPECT_EQ(attempt.outcome, "lost");
    EXPECT_EQ(attempt.message, "report");
    EXPECT_EQ(attempt.version, "v1");
  }
  EXPECT_EQ(h.SettlementOf("e2").tried, nullptr);
}

TEST(DispatchSuspectsTest, ConvictsByASuccessOnANormalSessionToo) {
  DispatcherHarness h;
  Suspect(h, 1);
  EndOne(h, 2);
  EndOne(h, 3);
  h.Up(Session(4));
  h.Deliver(1);
  EXPECT_THAT(h.Settlements(), IsEmpty());
  h.Done("e2");
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e1 dead CRASHED", "e2 done"));
}

TEST(DispatchSuspectsTest, ASuccessBeforeTheLastEndIsNoControl) {
  DispatcherHarness h;
  Suspect(h, 1);
  EndOne(h, 2);
  h.Up(Session(4));
  h.Deliver(1);
  h.Done("e2");
  EndOne(h, 3);
  h.ForgetOutput();
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends, set aside"));
  h.Advance(minutes(10));
  EXPECT_THAT(h.Settlements(), IsEmpty());
}

TEST(DispatchSuspectsTest, RetriesAndRejectsAreNoControl) {
  DispatcherHarness h;
  Suspect(h, 1);
  EndOne(h, 2);
  EndOne(h, 3);
  h.Up(Session(4));
  h.Deliver(2);
  h.Retry("e2");
  h.Reject("e3");
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends, set aside"));
}

TEST(DispatchSuspectsTest, ASuccessOfAnotherVersionTriesAnewInsteadOfConvicting) {
  DispatcherHarness h;
  Suspect(h, 1);
  h.Up(Session(4));  // Keeps v1 alive.
  EndOne(h, 2);
  EndOne(h, 3);
  SessionUp v2 = Session(5);
  v2.version = "v2";
  h.Window(4, 0);
  h.Up(v2);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends, set aside"));
  h.Deliver(1);
  h.Done("e2");
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 0 ends"));
  EXPECT_THAT(h.Settlements(), ElementsAre("e2 done"));
}

TEST(DispatchSuspectsTest, ANewVersionThatTakesTheOldOnesPlaceTriesAnew) {
  DispatcherHarness h;
  Suspect(h, 1);
  EndOne(h, 2);
  EndOne(h, 3);
  SessionUp v2 = Session(4);
  v2.version = "v2";
  h.Up(v2);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 0 ends"));
  EXPECT_TRUE(h.wants_quarantine());
}

TEST(DispatchSuspectsTest, TheSameVersionAfterAChangeIsAnotherBuild) {
  DispatcherHarness h;
  Suspect(h, 1);
  h.Up(Session(4));  // Of the former build, which leaves.
  EndOne(h, 2);
  EndOne(h, 3);
  SessionUp changed = Session(5);
  changed.generation = 1;
  h.Window(4, 0);
  h.Up(changed);
  h.Deliver(1);
  h.Done("e2");
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 0 ends")) << "it was not convicted by what mended it";
  EXPECT_THAT(h.Settlements(), ElementsAre("e2 done"));
}

TEST(DispatchSuspectsTest, TheCrashLimitSaysHowManyEndsItTakes) {
  DispatcherOptions options = OneLane();
  options.crash_limit = 3;
  DispatcherHarness h(options);
  Suspect(h, 1);
  EndOne(h, 2);
  EndOne(h, 3);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends"));
  EndOne(h, 4);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 3 ends, set aside"));
}

// ---- Remote plugins
// ------------------------------------------------------------------------------

class RemoteTest : public ::testing::Test {
 protected:
  static DispatcherOptions Options() {
    DispatcherOptions options = OneLane();
    options.remote = true;
    return options;
  }
};

TEST_F(RemoteTest, WantsNoInstanceForSuspects) {
  DispatcherHarness h(Options());
  Suspect(h, 1);
  EXPECT_FALSE(h.wants_quarantine());
}

TEST_F(RemoteTest, ReservesASessionThatGetsNothingElseMeanwhile) {
  DispatcherHarness h(Options());
  h.Up(Session(1));
  h.Deliver(2);
  h.Up(Session(2));
  h.Up(Session(3));
  h.ForgetOutput();
  h.Crash(1);
  EXPECT_THAT(h.Sent(), ElementsAre("2: e1"));
  h.Deliver(2);
  EXPECT_THAT(h.Sent(), ElementsAre("3: e3 e4"));
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("2: e2"));
  h.Done("e2");
  EXPECT_THAT(h.Suspects(), IsEmpty());
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("2: e5")) << "free for all again";
}

TEST_F(RemoteTest, WaitsUntilTheReservedSessionIsEmpty) {
  DispatcherHarness h(Options());
  h.Up(Session(1));
  h.Deliver(1);
  h.Up(Session(2));
  h.Window(1, 0);
  h.Deliver(1);
  h.ForgetOutput();
  h.Crash(1);
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), IsEmpty()) << "e2 is under way on session 2";
  h.Done("e2");
  EXPECT_THAT(h.Sent(), ElementsAre("2: e1"));
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("2: e3")) << "with one session its lanes wait";
}

TEST_F(RemoteTest, NothingIsTakenFromTheBusWhileTheOnlySessionIsReserved) {
  DispatcherHarness h(Options());
  Suspect(h, 1);
  h.Up(Session(2));
  EXPECT_EQ(h.Credit(), 0u);
  h.Done("e1");
  EXPECT_GT(h.Credit(), 0u);
}

TEST_F(RemoteTest, StreamsThatFailProveLittle) {
  DispatcherOptions options = Options();
  options.lanes[0].retry.max_attempts = 4;
  DispatcherHarness h(options);
  Suspect(h, 1);
  for (SessionId id = 2; id < 5; ++id) {
    h.Up(Session(id));
    h.Down(id, DownCause::kStreamFailed);
  }
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 3 ends"));
  h.Up(Session(5));
  h.Down(5, DownCause::kStreamFailed);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 4 ends, set aside"));
}

// The suspect e1 is tried on sessions 2 and 3, of two lives of one instance, whose streams fail.
void LoseTwoLives(DispatcherHarness& h) {
  Suspect(h, 1);
  for (const uint64_t life : {12, 13}) {
    SessionUp up = Session(life - 10);
    up.life = life;
    h.Up(up);
    h.Down(up.session, DownCause::kStreamFailed);
  }
}

TEST_F(RemoteTest, AnInstanceThatIsKnownToHaveEndedProvesMore) {
  DispatcherHarness h(Options());
  LoseTwoLives(h);
  h.Give(InstanceEnded{12});
  h.Give(InstanceEnded{12});
  h.Give(InstanceEnded{99});
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends"));
  h.Give(InstanceEnded{13});
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends, set aside"));
}

// Whichever comes first: a stream that failed and a broken contract are one proof, not two.
TEST_F(RemoteTest, AStreamThatFailedDoesNotCountBesideABrokenContract) {
  for (const bool stream_first : {true, false}) {
    DispatcherHarness h(Options());
    Suspect(h, 1);
    for (const SessionId id : {2, 3}) {
      SessionUp up = Session(id);
      up.life = 10 + id;
      h.Up(up);
      h.Down(id, (id == 2) == stream_first ? DownCause::kStreamFailed : DownCause::kProtocolError);
    }
    EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends")) << stream_first;
    h.Give(InstanceEnded{stream_first ? 12u : 13u});
    EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends, set aside")) << stream_first;
  }
}

TEST_F(RemoteTest, OneThatIsBeingTriedIsJudgedAtTheEndOfTheTrial) {
  DispatcherHarness h(Options());
  LoseTwoLives(h);
  h.Up(Session(4));
  h.Give(InstanceEnded{12});
  h.Give(InstanceEnded{13});
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends"));
  h.Down(4, DownCause::kStreamFailed);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 3 ends, set aside"));
}

TEST_F(RemoteTest, AnAnswerMakesTheEndsBeforeItProveNothing) {
  DispatcherHarness h(Options());
  LoseTwoLives(h);
  h.Give(InstanceEnded{12});
  h.Up(Session(4));
  h.Retry("e1");
  h.Give(InstanceEnded{13});
  EXPECT_THAT(h.Suspects(), IsEmpty());
}

TEST_F(RemoteTest, AProcessThatDiedProvesMore) {
  DispatcherHarness h(Options());
  Suspect(h, 1);
  for (SessionId id = 2; id < 4; ++id) {
    h.Up(Session(id));
    h.Down(id, DownCause::kCrashed);
  }
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends, set aside"));
}

}  // namespace
}  // namespace outboard::lane
