// Where an event is, and what it waits for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

EventView Where(const DispatcherHarness& h, const std::string& id) {
  const std::vector<EventView> found = h.dispatcher().Find({id});
  EXPECT_THAT(found, SizeIs(1)) << id;
  return found.empty() ? EventView() : found[0];
}

TEST(DispatchWaitsTest, OneThatIsNotHereIsNotFound) {
  DispatcherHarness h;
  h.Up(Session(1));
  h.Deliver(1);
  EXPECT_THAT(h.dispatcher().Find({"e2"}), IsEmpty());
  h.Done("e1");
  EXPECT_THAT(h.dispatcher().Find({"e1"}), IsEmpty()) << "the bus has its end";
}

TEST(DispatchWaitsTest, InFlightItSaysWhereAndSinceWhen) {
  DispatcherHarness h;
  h.Up(Session(3));
  const Time sent = h.now();
  h.Deliver(1);
  h.Advance(seconds(2));
  const EventView view = Where(h, "e1");
  EXPECT_EQ(view.waits, Waits::kAnswer);
  EXPECT_EQ(view.instance, 3u);
  EXPECT_EQ(view.since, sent);
  EXPECT_EQ(view.event.source(), "tracker");
}

TEST(DispatchWaitsTest, BehindItsKeyItNamesTheEventThatHasIt) {
  DispatcherHarness h(OneOrderedLane());
  h.Up(Session(1));
  h.Deliver(3, {.key = "a"});
  const EventView view = Where(h, "e3");
  EXPECT_EQ(view.waits, Waits::kKey);
  EXPECT_EQ(view.key, "a");
  EXPECT_EQ(view.behind, "e1") << "it is under way";
}

TEST(DispatchWaitsTest, ARetryHoldsItsKeyUntilItIsDue) {
  DispatcherHarness h(OneOrderedLane());
  h.Up(Session(1));
  h.Deliver(3, {.key = "a"});
  h.RetryAfter("e1", seconds(5), "BUSY");
  EXPECT_EQ(Where(h, "e3").behind, "e1");
  const EventView view = Where(h, "e1");
  EXPECT_EQ(view.waits, Waits::kRetry);
  EXPECT_EQ(view.until, h.now() + seconds(5));
  EXPECT_EQ(view.attempts, 1u);
}

TEST(DispatchWaitsTest, AnAnswerThatIsOwedHoldsTheKey) {
  DispatcherOptions options = OneOrderedLane();
  options.lanes[0].retry.max_attempts = 1;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(2, {.key = "a"});
  h.Advance(options.time_limit);
  const EventView view = Where(h, "e2");
  EXPECT_EQ(view.waits, Waits::kOwed);
  EXPECT_EQ(view.key, "a");
}

TEST(DispatchWaitsTest, ASuspectWaitsForItsTrialAndThenForAnotherEvent) {
  DispatcherHarness h;
  Suspect(h, 2);
  EXPECT_EQ(Where(h, "e1").waits, Waits::kTrial);
  EXPECT_EQ(Where(h, "e1").detail, "report");
  EndOne(h, 2);
  EXPECT_EQ(Where(h, "e1").ends, 1u);
  EndOne(h, 3);
  EXPECT_EQ(Where(h, "e1").waits, Waits::kAside);
  h.Up(QuarantineSession(4));
  EXPECT_EQ(Where(h, "e2").waits, Waits::kAnswer);
  EXPECT_TRUE(Where(h, "e2").quarantine);
}

TEST(DispatchWaitsTest, WithoutAnInstanceItWaitsForOne) {
  DispatcherHarness h;
  h.Deliver(1);
  EXPECT_EQ(Where(h, "e1").waits, Waits::kSession);
}

TEST(DispatchWaitsTest, AWindowAt0OrFullIsTold) {
  DispatcherHarness h;
  SessionUp session = Session(1);
  session.max_in_flight = 1;
  h.Up(session);
  h.Deliver(2);
  EXPECT_EQ(Where(h, "e2").waits, Waits::kRoom);
  h.Window(1, 0);
  const EventView view = Where(h, "e2");
  EXPECT_EQ(view.waits, Waits::kWindow);
  EXPECT_EQ(view.since, h.now());
}

TEST(DispatchWaitsTest, TheCircuitIsTold) {
  DispatcherOptions options = OneLane();
  options.circuit.crashes = 1;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Crash(1);
  h.Deliver(1);
  const EventView view = Where(h, "e1");
  EXPECT_EQ(view.waits, Waits::kCircuit);
  EXPECT_EQ(view.until, h.now() + options.circuit.trial_after);
  EXPECT_THAT(view.detail, testing::HasSubstr("1 crashes"));
}

TEST(DispatchWaitsTest, AProbingLaneIsTold) {
  DispatcherOptions options = OneLane();
  options.probe_after = options.probe_events = 2;
  DispatcherHarness h(options);
  h.Up(Session(1));
  h.Deliver(2);
  h.Retry("e1", "e2");
  h.Deliver(1);
  const EventView view = Where(h, "e3");
  EXPECT_EQ(view.waits, Waits::kProbe);
  EXPECT_EQ(view.until, h.now() + options.probe_initial);
}

TEST(DispatchWaitsTest, WhatTheNextHopHasIsTheNextHopsToTell) {
  DispatcherHarness h(OneStage());
  h.Up(Session(1));
  h.Up(WorkerSession(2));
  h.Deliver(1);
  EXPECT_EQ(Where(h, "e1").lane, 0u);
  h.Done("e1");
  const EventView view = Where(h, "e1");
  EXPECT_EQ(view.lane, 1u);
  EXPECT_EQ(view.instance, 2u);
}

}  // namespace
}  // namespace outboard::lane
