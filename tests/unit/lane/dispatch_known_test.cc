// What is known of suspects outlives the host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// The host after the one that `h` was, which has ended in whatever way.
DispatcherHarness NextLife(const DispatcherHarness& h, DispatcherOptions options = OneLane()) {
  return DispatcherHarness(std::move(options), 2, h.Known());
}

TEST(DispatchKnownTest, AnEndBeforeTheHostsOwnEndCounts) {
  DispatcherHarness first;
  Suspect(first, 1);
  EXPECT_THAT(first.Known(), IsEmpty()) << "what was in flight with others is not counted";
  EndOne(first, 2);

  DispatcherHarness h = NextLife(first);
  h.Up(Session(1));
  h.Deliver(2);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 1 ends"));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e2")) << "nothing else dies with it";
  EXPECT_TRUE(h.wants_quarantine());
  EndOne(h, 2);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends, set aside"));
  h.Done("e2");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead CRASHED", "e2 done"));
  EXPECT_THAT(h.Known(), IsEmpty()) << "replayed it is tried anew";
}

TEST(DispatchKnownTest, AlsoWhereTheLaneIsOrdered) {
  DispatcherHarness first(OneOrderedLane());
  Suspect(first, 1, {.key = "k"});
  EndOne(first, 2);

  DispatcherHarness h = NextLife(first, OneOrderedLane());
  h.Up(Session(1));
  h.Deliver(2, {.key = "k"});
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 1 ends"));
  EXPECT_THAT(h.Sent(), IsEmpty()) << "e2 waits for its key";
  EndOne(h, 2);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends, set aside"));
}

TEST(DispatchKnownTest, OneBehindItsKeyIsTriedWhenItsProcessEndsAgain) {
  DispatcherHarness first(OneOrderedLane());
  Suspect(first, 1, {.key = "k"});
  EndOne(first, 2);

  DispatcherHarness h = NextLife(first, OneOrderedLane());
  h.Up(Session(1));
  h.DeliverAgain("e9", {.key = "k"});
  h.DeliverAgain("e1", {.key = "k"});
  EXPECT_THAT(h.Suspects(), IsEmpty());
  h.Done("e9");
  h.Crash(1);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 1 ends"));

  DispatcherHarness other = NextLife(first, OneOrderedLane());
  other.Up(Session(1));
  other.DeliverAgain("e9", {.key = "k"});
  other.DeliverAgain("e1", {.key = "k"});
  other.Done("e9");
  other.Retry("e1");
  EXPECT_THAT(other.Known(), IsEmpty()) << "an answer clears it";
}

TEST(DispatchKnownTest, AFullCountTakesOneMoreEndAndItsControlInThisLife) {
  DispatcherHarness first;
  Suspect(first, 1);
  EndOne(first, 2);
  EndOne(first, 3);
  EXPECT_THAT(first.Suspects(), ElementsAre("e1: 2 ends, set aside"));

  DispatcherHarness h = NextLife(first);
  h.Up(Session(1));
  h.Deliver(2);
  h.Done("e2");
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 2 ends")) << "the plugin may be mended meanwhile";
  EndOne(h, 2);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 3 ends, set aside"));
  h.Deliver(1);
  h.Done("e3");
  EXPECT_THAT(h.Settlements(), Contains("e1 dead CRASHED"));
}

TEST(DispatchKnownTest, AnyAnswerForgetsIt) {
  for (const Verdict verdict :
       {Verdict::kDone, Verdict::kRetry, Verdict::kReject, Verdict::kRelease}) {
    DispatcherHarness h;
    Suspect(h, 1);
    EndOne(h, 2);
    EXPECT_THAT(h.Known(), SizeIs(1));
    h.Up(QuarantineSession(3));
    h.Say("e1", verdict, "WHY");
    EXPECT_THAT(h.Known(), IsEmpty()) << static_cast<int>(verdict);
  }
}

TEST(DispatchKnownTest, ADeadlineForgetsIt) {
  DispatcherHarness h;
  Suspect(h, 1);
  EndOne(h, 2);
  h.Up(QuarantineSession(3));
  h.Advance(std::chrono::minutes(1));
  EXPECT_THAT(h.Known(), IsEmpty());
}

TEST(DispatchKnownTest, GoingBackToTheBusDoesNot) {
  DispatcherHarness h;
  Suspect(h, 1);
  EndOne(h, 2);
  h.Give(PauseLane{0, true});
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 returned"));
  EXPECT_THAT(h.Known(), SizeIs(1));
  h.Give(PauseLane{0, false});
  h.DeliverAgain("e1");
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 1 ends"));
  h.Drain(std::chrono::minutes(1));
  EXPECT_THAT(h.Known(), SizeIs(1));
}

TEST(DispatchKnownTest, WhatAnotherVersionDidCountsNothing) {
  DispatcherHarness first;
  Suspect(first, 1);
  EndOne(first, 2);

  DispatcherHarness h = NextLife(first);
  h.Deliver(1);
  SessionUp other = QuarantineSession(2);
  other.version = "v2";
  h.Up(other);
  h.Crash(2);
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 1 ends"));
  EXPECT_THAT(h.Known(), ElementsAre(Field(&KnownSuspect::version, "v2")));
}

TEST(DispatchKnownTest, IsOfOneComponentOfTheLane) {
  DispatcherHarness first(OneStage());
  first.Up(Session(1));
  first.Up(WorkerSession(2));
  first.Deliver(1);
  first.Done("e1");  // The stage lets it pass.
  first.Crash(2);
  SessionUp alone = WorkerSession(3);
  alone.quarantine = true;
  first.Up(alone);
  first.Crash(3);
  EXPECT_THAT(first.Suspects(), ElementsAre("e1: 1 ends"));

  DispatcherHarness h = NextLife(first, OneStage());
  h.Up(Session(1));
  h.Up(WorkerSession(2));
  h.Deliver(1);
  EXPECT_THAT(h.Suspects(), IsEmpty()) << "to the stage it is like any other";
  h.Done("e1");
  EXPECT_THAT(h.Suspects(), ElementsAre("e1: 1 ends"));
}

TEST(DispatchKnownTest, TheOldestOfAThousandMakesRoom) {
  std::vector<KnownSuspect> known;
  for (uint64_t i = 1; i <= 1000; ++i) known.push_back({i, Time(Duration(i)), 1, 1, "v1"});
  DispatcherHarness h(OneLane(), 1, known);
  Suspect(h, 1);
  EndOne(h, 2);
  EXPECT_THAT(h.Known(), SizeIs(1000));
  EXPECT_THAT(h.Known(), Not(Contains(Field(&KnownSuspect::name, 1))));
  EXPECT_THAT(h.Known(), Contains(Field(&KnownSuspect::name, 2)));
}

}  // namespace
}  // namespace outboard::lane
