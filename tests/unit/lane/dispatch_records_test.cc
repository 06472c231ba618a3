// What is told of events that did not go straight through.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/event/wire_text.h"
#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

DispatcherOptions Told(DispatcherOptions options) {
  options.lineage = true;
  return options;
}

SessionUp EmittingSession(SessionId id) {
  SessionUp session = Session(id);
  session.emits = {"story.#"};
  return session;
}

std::string Emit() { return wire_text::Type("story.indexed"); }

bus::Placed At(int64_t offset) { return {bus::Offset(offset), std::nullopt}; }

TEST(DispatchRecordsTest, WhatGoesStraightThroughIsNotTold) {
  DispatcherHarness h(Told(OneLane()));
  h.Up(Session(1));
  h.Deliver(2);
  h.Done("e1", "e2");
  EXPECT_THAT(h.Records(), IsEmpty());
}

TEST(DispatchRecordsTest, NothingIsToldWhereNobodyAsked) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  h.Reject("e1", "NO_SUCH_STORY");
  EXPECT_THAT(h.Records(), IsEmpty());
}

TEST(DispatchRecordsTest, ARetryIsOneRecordWithItsTurn) {
  DispatcherHarness h(Told(OneLane()));
  h.Up(Session(1));
  h.Deliver(1);
  h.Advance(milliseconds(3));
  h.RetryAfter("e1", seconds(2), "BUSY");
  EXPECT_THAT(h.Records(), ElementsAre("e1: indexer retry BUSY; retry"));
  const Record& record = h.LastRecord();
  EXPECT_EQ(record.due, h.now() + seconds(2));
  EXPECT_EQ(record.attempts, 1u);
  ASSERT_THAT(record.turns, SizeIs(1));
  EXPECT_EQ(record.turns[0].took, milliseconds(3));
  EXPECT_EQ(record.turns[0].instance, 1u);
  EXPECT_EQ(record.turns[0].version, "v1");
}

TEST(DispatchRecordsTest, WhatWasRetriedIsToldWhenItIsDone) {
  DispatcherHarness h(Told(OneLane()));
  h.Up(Session(1));
  h.Deliver(1, {.attempts = 1});
  h.Advance(milliseconds(3));
  h.Done("e1");
  EXPECT_THAT(h.Records(), ElementsAre("e1: indexer done; done"));
  EXPECT_EQ(h.LastRecord().turns[0].took, milliseconds(3));
  EXPECT_EQ(h.SettlementOf("e1").tried, nullptr) << "the bus keeps no history of what is done";
}

TEST(DispatchRecordsTest, ARetryInMemoryIsToldAtOnce) {
  DispatcherHarness h(Told(OneOrderedLane()));
  h.Up(Session(1));
  h.Deliver(1, {.key = "a"});
  h.RetryAfter("e1", seconds(1), "BUSY");
  EXPECT_THAT(h.Records(), ElementsAre("e1: indexer retry BUSY"));
  EXPECT_EQ(h.LastRecord().end, std::nullopt);
  h.Advance(seconds(1));
  h.Done("e1");
  EXPECT_THAT(h.Records(), ElementsAre("e1: indexer done; done"));
}

TEST(DispatchRecordsTest, ADeadLetterIsToldWithItsReason) {
  DispatcherHarness h(Told(OneLane()));
  h.Up(Session(1));
  h.Deliver(1);
  h.Reject("e1", "NO_SUCH_STORY");
  EXPECT_THAT(h.Records(), ElementsAre("e1: indexer reject NO_SUCH_STORY; dead NO_SUCH_STORY"));
  EXPECT_EQ(h.LastRecord().message, "message");
  ASSERT_NE(h.SettlementOf("e1").tried, nullptr) << "the letter has its history all the same";
}

TEST(DispatchRecordsTest, ADeadlineAndAReleaseAreTold) {
  DispatcherHarness h(Told(OneLane()));
  h.Up(Session(1));
  h.Deliver(2);
  h.Release("e1");
  EXPECT_THAT(h.Records(), ElementsAre("e1: indexer release"));
  h.Advance(DispatcherOptions().time_limit);
  EXPECT_THAT(h.Records(), testing::Contains("e2: indexer deadline DEADLINE; retry"));
}

TEST(DispatchRecordsTest, EmitsAreToldWithTheEventThatTheyCameFrom) {
  DispatcherHarness h(Told(OneLane()));
  h.Up(EmittingSession(1));
  h.Deliver(1);
  h.DoneWith("e1", {Emit(), Emit()});
  EXPECT_THAT(h.Records(), ElementsAre("e1: indexer done; done > story.indexed > story.indexed"));
  EXPECT_EQ(h.LastRecord().emitted, 2u);
  EXPECT_EQ(h.LastRecord().emits[1].id(), h.SettlementOf("e1").emits[1].id());
}

TEST(DispatchRecordsTest, OfManyEmitsTheFirstAreToldAndHowManyThereWere) {
  DispatcherHarness h(Told(OneLane()));
  h.Up(EmittingSession(1));
  h.Deliver(1);
  h.DoneWith("e1", std::vector<std::string>(kMaxRecordedEmits + 1, Emit()));
  EXPECT_THAT(h.LastRecord().emits, SizeIs(kMaxRecordedEmits));
  EXPECT_EQ(h.LastRecord().emitted, kMaxRecordedEmits + 1);
}

TEST(DispatchRecordsTest, EmitsThatTheBusRefusesAreToldAsADeadLetter) {
  DispatcherHarness h(Told(OneLane()));
  h.Up(EmittingSession(1));
  h.Deliver(1);
  h.HoldSettles();
  h.DoneWith("e1", {Emit()});
  h.Records();
  h.SettleHeld(absl::InvalidArgumentError("no such exchange"));
  EXPECT_THAT(h.Records(), ElementsAre("e1:; dead EMIT_REFUSED"));
}

TEST(DispatchRecordsTest, WhereAProducerPutItIsTold) {
  DispatcherHarness h(Told(OneLane()));
  h.Up(Session(1));
  h.Deliver(1);
  Answer answer;
  answer.verdict = Verdict::kDone;
  answer.placed = std::make_unique<bus::Placed>(At(42));
  h.Say("e1", std::move(answer));
  EXPECT_THAT(h.Records(), ElementsAre("e1: indexer done; done"));
  EXPECT_EQ(h.LastRecord().placed, At(42));
}

TEST(DispatchRecordsTest, AConvictionIsToldWithEveryProcessThatEnded) {
  DispatcherHarness h(Told(OneLane()));
  Suspect(h, 2);
  EXPECT_THAT(h.Records(),
              ElementsAre("e2: indexer lost SESSION_LOST", "e1: indexer lost SESSION_LOST"));
  EndOne(h, 2);
  EXPECT_THAT(h.Records(), ElementsAre("e1: indexer lost SESSION_LOST"));
  EXPECT_TRUE(h.LastRecord().turns[0].quarantine);
  EndOne(h, 3);
  h.Up(QuarantineSession(4));
  h.Done("e2");
  EXPECT_THAT(h.Records(), ElementsAre("e1: indexer lost SESSION_LOST", "e1:; dead CRASHED",
                                       "e2: indexer done; done"));
}

// ---- Stages

class StageRecordsTest : public ::testing::Test {
 protected:
  explicit StageRecordsTest(DispatcherOptions options = OneStage()) : h_(Told(std::move(options))) {
    h_.Up(Session(1));
    SessionUp worker = EmittingSession(2);
    worker.component = 1;
    h_.Up(worker);
  }
  static DispatcherOptions FailingOpen() {
    DispatcherOptions options = OneStage();
    options.lanes[0].fail_open = true;
    return options;
  }
  DispatcherHarness h_;
};

TEST_F(StageRecordsTest, WhatGoesStraightThroughAStageIsNotTold) {
  h_.Deliver(1);
  h_.Done("e1");
  h_.Done("e1");
  EXPECT_THAT(h_.Settlements(), ElementsAre("e1 done"));
  EXPECT_THAT(h_.Records(), IsEmpty());
}

TEST_F(StageRecordsTest, AnEventWithMoreToTellHasTheTurnsOfAllHops) {
  h_.Deliver(1);
  h_.Advance(milliseconds(2));
  h_.Done("e1");
  h_.Advance(milliseconds(5));
  h_.DoneWith("e1", {Emit()});
  EXPECT_THAT(h_.Records(), ElementsAre("e1: filter continue, indexer done; done > story.indexed"));
  const Record& record = h_.LastRecord();
  EXPECT_EQ(record.turns[0].took, milliseconds(2));
  EXPECT_EQ(record.turns[0].instance, 1u);
  EXPECT_EQ(record.turns[1].took, milliseconds(5));
  EXPECT_EQ(record.turns[1].instance, 2u);
}

TEST_F(StageRecordsTest, AHaltNamesItsStage) {
  h_.Deliver(1);
  h_.Say("e1", Verdict::kHalt);
  EXPECT_THAT(h_.Records(), ElementsAre("e1: filter halt; dropped filter"));
}

TEST_F(StageRecordsTest, AFailureBehindAStageIsToldOfItsHopAndThenOfTheLane) {
  h_.Deliver(1);
  h_.Done("e1");
  h_.Reject("e1", "NO_SUCH_STORY");
  EXPECT_THAT(h_.Records(),
              ElementsAre("e1: indexer reject NO_SUCH_STORY", "e1:; dead NO_SUCH_STORY"));
}

class OpenStageRecordsTest : public StageRecordsTest {
 protected:
  OpenStageRecordsTest() : StageRecordsTest(FailingOpen()) {}
};

TEST_F(OpenStageRecordsTest, AStageThatWasPassedByIsToldSo) {
  h_.Deliver(1);
  h_.RetryAfter("e1", seconds(1), "BUSY");
  h_.Done("e1");
  EXPECT_THAT(h_.Records(), ElementsAre("e1: filter retry BUSY", "e1: filter pass; done"));
}

}  // namespace
}  // namespace outboard::lane
