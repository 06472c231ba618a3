// The circuit: a plugin that ends whatever it is given gets nothing but trials.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// ---- The circuit opens
// ---------------------------------------------------------------------------

class CircuitTest : public ::testing::Test {
 protected:
  static DispatcherOptions Options(DispatcherOptions options = OneLane()) {
    options.circuit.crashes = 3;
    options.circuit.within = seconds(60);
    options.circuit.trial_after = seconds(60);
    return options;
  }
  // Three processes end with nothing in flight.
  static void Open(DispatcherHarness& h) {
    for (int i = 0; i < 3; ++i) h.Give(InstanceFailed{false, "exit code 1"});
  }
  static CircuitState State(const DispatcherHarness& h) { return h.dispatcher().circuit(); }
};

TEST_F(CircuitTest, OpensAfterTooManyCrashesAndGivesBackWhatIsQueued) {
  DispatcherHarness h(Options(OneOrderedLane()));
  h.Up(Session(1));
  h.Deliver(1, {.key = "k"});
  h.Retry("e1");  // Held.
  h.Deliver(1, {.key = "k"});
  SessionUp other = Session(2);
  other.max_in_flight = 1;
  h.Up(other);
  h.Window(1, 0);
  h.Deliver(2);  // e3 on session 2, e4 ready.
  h.Give(InstanceFailed{false, "exit code 1"});
  h.Crash(1);
  EXPECT_EQ(State(h), CircuitState::kClosed);
  EXPECT_THAT(h.Settlements(), IsEmpty());
  h.Crash(2);
  EXPECT_EQ(State(h), CircuitState::kOpen);
  EXPECT_THAT(h.dispatcher().circuit_reason(), HasSubstr("3 crashes"));
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e1 returned", "e2 returned", "e4 returned"));
  EXPECT_THAT(h.Suspects(), ElementsAre("e3: 0 ends")) << "suspects stay";
  EXPECT_THAT(h.Notices(), ElementsAre("suspected 1", "circuit opened"));
  EXPECT_FALSE(h.wants_quarantine());
  h.Up(Session(3));
  EXPECT_EQ(h.Credit(), 0u);
  EXPECT_EQ(h.WakesIn(), seconds(60));
}

TEST_F(CircuitTest, CrashesFarApartDoNotOpenIt) {
  DispatcherHarness h(Options());
  h.Give(InstanceFailed{false, ""});
  h.Give(InstanceFailed{false, ""});
  h.Advance(seconds(61));
  h.Give(InstanceFailed{false, ""});
  h.Give(InstanceFailed{false, ""});
  EXPECT_EQ(State(h), CircuitState::kClosed);
}

TEST_F(CircuitTest, ASuccessBetweenCrashesKeepsItClosed) {
  DispatcherHarness h(Options());
  h.Give(InstanceFailed{false, ""});
  h.Give(InstanceFailed{false, ""});
  h.Up(Session(1));
  h.Deliver(1);
  h.Done("e1");
  h.Give(InstanceFailed{false, ""});
  h.Give(InstanceFailed{false, ""});
  EXPECT_EQ(State(h), CircuitState::kClosed);
}

TEST_F(CircuitTest, EndsInQuarantineAndDrainsDoNotCount) {
  DispatcherHarness h(Options());
  for (int i = 0; i < 5; ++i) h.Give(InstanceFailed{true, ""});
  for (SessionId id = 1; id < 6; ++id) {
    h.Up(Session(id));
    h.Down(id, DownCause::kDrained);
  }
  EXPECT_EQ(State(h), CircuitState::kClosed);
  Suspect(h, 1);  // One crash.
  EndOne(h, 12);
  EndOne(h, 13);
  EXPECT_EQ(State(h), CircuitState::kClosed);
}

TEST_F(CircuitTest, OpensWhenASecondEventIsSetAsideWithoutASuccessBetween) {
  DispatcherHarness h(Options());
  Suspect(h, 2);
  for (SessionId id = 2; id < 6; ++id) EndOne(h, id);
  EXPECT_EQ(State(h), CircuitState::kOpen);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends, set aside", "e2: 2 ends, set aside"));
  EXPECT_THAT(h.Settlements(), IsEmpty()) << "a bad deploy is not a poison event";
  EXPECT_FALSE(h.wants_quarantine());
}

TEST_F(CircuitTest, ASuccessBetweenTwoSetAsideKeepsItClosed) {
  DispatcherHarness h(Options());
  Suspect(h, 2);
  EndOne(h, 2);
  EndOne(h, 3);
  h.Up(Session(7));
  h.Deliver(1);
  h.Done("e3");  // Convicts e1.
  EndOne(h, 4);
  EndOne(h, 5);
  EXPECT_EQ(State(h), CircuitState::kClosed);
  EXPECT_THAT(h.Suspects(), ElementsAre("e2: 2 ends, set aside"));
}

TEST_F(CircuitTest, WhileItIsOpenNothingIsSent) {
  DispatcherHarness h(Options());
  Open(h);
  h.Up(Session(1));
  h.Deliver(1);
  h.Advance(seconds(59));
  EXPECT_THAT(h.Sent(), IsEmpty());
}

TEST_F(CircuitTest, RetriesAnsweredWhileItIsOpenAreNotHeld) {
  DispatcherHarness h(Options(OneOrderedLane()));
  h.Up(Session(1));
  h.Deliver(1, {.key = "k"});
  h.Deliver(1);
  Open(h);
  h.Retry("e1", "e2");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 returned", "e2 retry in 1000 ms"));
}

TEST_F(CircuitTest, NorDeadLetteredBecauseTheLaneHoldsAsManyAsItMay) {
  DispatcherOptions options = Options(OneOrderedLane());
  options.lane_held = 2;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(1, {.key = "a"});
  h.Deliver(1, {.key = "b"});
  h.Up(Session(2));
  h.Window(1, 0);
  h.Deliver(1, {.key = "d"});
  Open(h);
  h.Crash(1);  // Two suspects are held.
  EXPECT_EQ(h.stats().held, 2u);
  h.ForgetOutput();
  h.Retry("e3");
  EXPECT_THAT(h.Settlements(), ElementsAre("e3 returned"));
}

// ---- Trials of the circuit
// -----------------------------------------------------------------------

TEST_F(CircuitTest, ATrialTakesOneEventAndItsSuccessClosesIt) {
  DispatcherHarness h(Options());
  h.Up(Session(1));
  Open(h);
  h.ForgetOutput();
  h.Advance(seconds(60));
  EXPECT_EQ(State(h), CircuitState::kTrial);
  EXPECT_THAT(h.Notices(), ElementsAre("circuit trial"));
  EXPECT_EQ(h.Credit(), 1u);
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
  EXPECT_EQ(h.Credit(), 0u) << "one at a time";
  h.Done("e1");
  EXPECT_EQ(State(h), CircuitState::kClosed);
  EXPECT_THAT(h.Notices(), ElementsAre("circuit closed"));
  EXPECT_EQ(h.dispatcher().circuit_reason(), "");
  EXPECT_GT(h.Credit(), 1u);
}

TEST_F(CircuitTest, ACrashDuringTheTrialOpensItAgainAndItsEventIsASuspect) {
  DispatcherHarness h(Options());
  h.Up(Session(1));
  Open(h);
  h.Advance(seconds(60));
  h.Deliver(1);
  h.Crash(1);
  EXPECT_EQ(State(h), CircuitState::kOpen);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 0 ends"));
  EXPECT_FALSE(h.wants_quarantine());
  h.Advance(milliseconds(59'999));
  EXPECT_EQ(State(h), CircuitState::kOpen);
  h.Advance(milliseconds(1));
  EXPECT_EQ(State(h), CircuitState::kTrial);
}

TEST_F(CircuitTest, AnAnswerThatIsNoSuccessLeavesItOpen) {
  for (const Verdict verdict : {Verdict::kRetry, Verdict::kReject, Verdict::kRelease}) {
    DispatcherHarness h(Options());
    h.Up(Session(1));
    Open(h);
    h.Advance(seconds(60));
    h.Deliver(1);
    h.Say("e1", verdict);
    EXPECT_EQ(State(h), CircuitState::kOpen);
    EXPECT_THAT(h.Suspects(), IsEmpty());
    h.Advance(seconds(60));
    EXPECT_EQ(State(h), CircuitState::kTrial);
  }
}

TEST_F(CircuitTest, ADeadlineLeavesItOpen) {
  DispatcherHarness h(Options());
  h.Up(Session(1));
  Open(h);
  h.Advance(seconds(60));
  h.Deliver(1);
  h.Advance(seconds(30));
  EXPECT_EQ(State(h), CircuitState::kOpen);
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 retry in 1000 ms"));
}

TEST_F(CircuitTest, TheTrialsEventIsOneWhoseKeyNoSuspectHolds) {
  DispatcherHarness h(Options(OneOrderedLane()));
  Suspect(h, 1, {.key = "k"});
  h.Up(Session(2));
  Open(h);
  h.ForgetOutput();
  h.Advance(seconds(60));
  h.Deliver(1, {.key = "k"});
  EXPECT_THAT(h.Sent(), IsEmpty());
  EXPECT_EQ(h.Credit(), 1u) << "it seeks on";
  h.Deliver(1, {.key = "m"});
  EXPECT_THAT(h.Sent(), ElementsAre("2: e3"));
}

TEST_F(CircuitTest, WithOnlySuspectsTheLeastTriedOneGoesToQuarantineAndNoEndCounts) {
  DispatcherHarness h(Options());
  Suspect(h, 2);
  EndOne(h, 2);  // e1 has one end.
  Open(h);
  h.ForgetOutput();
  h.Advance(seconds(60));
  EXPECT_FALSE(h.wants_quarantine()) << "it looks for another event first";
  h.Advance(seconds(1));
  EXPECT_TRUE(h.wants_quarantine());
  h.Up(QuarantineSession(10));
  EXPECT_THAT(h.Sent(), ElementsAre("10: e2"));
  h.Crash(10);
  EXPECT_EQ(State(h), CircuitState::kOpen);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 1 ends", "e2: 0 ends"));
  EXPECT_FALSE(h.wants_quarantine());
}

TEST_F(CircuitTest, SuspectsTakeTurnsInItsTrialsAndASuccessClosesIt) {
  DispatcherHarness h(Options());
  Suspect(h, 2);
  Open(h);
  h.ForgetOutput();
  h.Advance(seconds(61));
  EndOne(h, 10);
  h.Advance(seconds(61));
  h.Up(QuarantineSession(11));
  EXPECT_THAT(h.Sent(), ElementsAre("10: e1", "11: e2"));
  h.Done("e2");
  EXPECT_EQ(State(h), CircuitState::kClosed);
  EXPECT_THAT(h.Settlements(), ElementsAre("e2 done"));
  EXPECT_THAT(h.Sent(), IsEmpty()) << "the process on trial may be of a build that is mended now";
  h.Down(11, DownCause::kDrained);
  h.Up(QuarantineSession(12));
  EXPECT_THAT(h.Sent(), ElementsAre("12: e1")) << "as usual again";
}

TEST_F(CircuitTest, AnEventThatComesDuringTheSearchGoesBeforeSuspects) {
  DispatcherHarness h(Options());
  Suspect(h, 1);
  h.Up(Session(2));
  Open(h);
  h.ForgetOutput();
  h.Advance(milliseconds(60'500));
  h.Deliver(1);
  EXPECT_THAT(h.Sent(), ElementsAre("2: e2"));
  h.Advance(seconds(5));
  EXPECT_FALSE(h.wants_quarantine());
}

// ---- The reprieve
// --------------------------------------------------------------------------------

class ReprieveTest : public CircuitTest {
 protected:
  // e1 and e2 are set aside, the circuit is open, and e3's success closes it.
  static void Begin(DispatcherHarness& h) {
    Suspect(h, 2);
    for (SessionId id = 2; id < 6; ++id) EndOne(h, id);
    h.Up(Session(7));
    h.Advance(seconds(60));
    h.Deliver(1);
    h.Done("e3");
  }
};

TEST_F(ReprieveTest, ClosingTheCircuitConvictsNobodyYet) {
  DispatcherHarness h(Options());
  Begin(h);
  EXPECT_EQ(State(h), CircuitState::kClosed);
  EXPECT_THAT(h.Settlements(), ElementsAre("e3 done"));
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends", "e2: 2 ends"));
  EXPECT_TRUE(h.wants_quarantine());
}

TEST_F(ReprieveTest, AMendedPluginHandlesAllThatWasSetAside) {
  DispatcherHarness h(Options());
  Begin(h);
  h.ForgetOutput();
  h.Up(QuarantineSession(8));
  h.Done("e1");
  h.Done("e2");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 done", "e2 done"));
  EXPECT_THAT(h.Suspects(), IsEmpty());
}

TEST_F(ReprieveTest, OneMoreEndConvictsAtOnce) {
  DispatcherHarness h(Options());
  Begin(h);
  h.ForgetOutput();
  EndOne(h, 8);
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead CRASHED"));
  EndOne(h, 9);
  EXPECT_THAT(h.Settlements(), ElementsAre("e2 dead CRASHED"));
  EXPECT_EQ(State(h), CircuitState::kClosed);
}

TEST_F(ReprieveTest, ASuccessOfAnotherBuildIsNoControl) {
  DispatcherHarness h(Options());
  Suspect(h, 2);
  SessionUp other = Session(7);
  other.version = "v2";
  h.Up(other);
  h.Window(7, 0);  // Old and new run at once: none of it is reset.
  for (SessionId id = 2; id < 6; ++id) EndOne(h, id);
  EXPECT_EQ(State(h), CircuitState::kOpen);
  h.Advance(seconds(60));
  h.Window(7, 16);
  h.Deliver(1);
  h.Done("e3");
  EXPECT_EQ(State(h), CircuitState::kClosed);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 0 ends", "e2: 0 ends"));
  h.ForgetOutput();
  EndOne(h, 8);
  EXPECT_THAT(h.Settlements(), IsEmpty());
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 1 ends", "e2: 0 ends"));
}

TEST_F(ReprieveTest, ADrainIsNoEnd) {
  DispatcherHarness h(Options());
  Begin(h);
  h.ForgetOutput();
  h.Up(QuarantineSession(8));
  h.Down(8, DownCause::kDrained);
  EXPECT_THAT(h.Settlements(), IsEmpty());
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends", "e2: 2 ends"));
}

TEST_F(ReprieveTest, ThoseSetAsideTakePartInTrialsThatFindNothingElse) {
  DispatcherHarness h(Options());
  Suspect(h, 2);
  for (SessionId id = 2; id < 6; ++id) EndOne(h, id);
  h.ForgetOutput();
  h.Advance(seconds(61));
  EXPECT_TRUE(h.wants_quarantine());
  h.Up(QuarantineSession(8));
  EXPECT_THAT(h.Sent(), ElementsAre("8: e1"));
  h.Crash(8);
  EXPECT_THAT(h.Settlements(), IsEmpty());
  EXPECT_THAT(h.Suspects(), UnorderedElementsAre("e1: 2 ends, set aside", "e2: 2 ends, set aside"))
      << "an end in a trial of the circuit adds none";
  h.Advance(seconds(61));
  h.Up(QuarantineSession(9));
  EXPECT_THAT(h.Sent(), ElementsAre("9: e2"));
  h.Done("e2");
  EXPECT_EQ(State(h), CircuitState::kClosed);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends"));
}

}  // namespace
}  // namespace outboard::lane
