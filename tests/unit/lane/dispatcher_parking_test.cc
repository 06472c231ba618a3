// What stands behind a dead letter of its key goes back to a bus that has it wait.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/event/wire_text.h"
#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

DispatcherOptions Parking() {
  DispatcherOptions options = OneOrderedLane();
  options.lanes[0].parks = true;
  return options;
}

TEST(ParkingTest, LaterOnesOfTheKeyGoBackAndOthersStay) {
  DispatcherHarness h(Parking());
  h.Up(Session(1));
  h.Deliver(3, {.key = "a"});
  h.Deliver(2, {.key = "b"});
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1", "1: e4"));
  h.Reject("e1", "BAD");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead BAD", "e2 returned", "e3 returned"));
  EXPECT_THAT(h.Sent(), IsEmpty());
  h.Done("e4");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e5"));
  // The bus hands them out again when the letter is gone.
  h.DeliverAgain("e1", {.key = "a"});
  h.DeliverAgain("e2", {.key = "a"});
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1"));
  h.Done("e1");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e2"));
}

TEST(ParkingTest, WithoutItTheKeyGoesOn) {
  DispatcherHarness h(OneOrderedLane());
  h.Up(Session(1));
  h.Deliver(2, {.key = "a"});
  h.Reject("e1", "BAD");
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1", "1: e2"));
}

TEST(ParkingTest, AnEventWithoutAKeyHoldsNothingUp) {
  DispatcherHarness h(Parking());
  SessionUp session = Session(1);
  session.max_in_flight = 1;
  h.Up(session);
  h.Deliver(2);
  h.Reject("e1", "BAD");
  EXPECT_THAT(h.Settlements(), ElementsAre("e1 dead BAD"));
  EXPECT_THAT(h.Sent(), ElementsAre("1: e1", "1: e2"));
}

TEST(ParkingTest, TheRestOfARunFollowsWhenItComesBack) {
  DispatcherHarness h(Parking());
  h.Up(InOrderSession(1));
  h.Deliver(1, {.key = "b"});
  h.Deliver(1, {.key = "b"});
  h.ForgetOutput();
  h.Give(PauseLane{0, true});
  h.Done("e1");
  h.Give(PauseLane{0, false});
  h.ForgetOutput();
  h.Deliver(4, {.key = "a"});
  ASSERT_THAT(h.Sent(), ElementsAre("1: e3 e4 e5 e6"));
  h.Reject("e3", "BAD");
  EXPECT_THAT(h.Settlements(), ElementsAre("e3 dead BAD"));
  h.Release("e4");
  EXPECT_THAT(h.Settlements(), ElementsAre("e4 returned"));
  h.Retry("e5");
  EXPECT_THAT(h.Settlements(), ElementsAre("e5 returned"));
  h.Done("e6");  // It was handled.
  EXPECT_THAT(h.Settlements(), ElementsAre("e6 done"));
  EXPECT_TRUE(h.dispatcher().empty(0));
}

TEST(ParkingTest, SuspectsOfTheKeyGoBackToo) {
  DispatcherHarness h(Parking());
  h.Up(InOrderSession(1));
  Suspect(h, 3, {.key = "a"});
  SessionUp quarantine = QuarantineSession(2);
  quarantine.in_order = true;
  h.Up(quarantine);
  EXPECT_THAT(h.Sent(), Contains("2: e1"));
  h.ForgetOutput();
  h.Reject("e1", "BAD");
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e1 dead BAD", "e2 returned", "e3 returned"));
  EXPECT_THAT(h.Suspects(), IsEmpty());
  EXPECT_TRUE(h.dispatcher().empty(0));
}

TEST(ParkingTest, EmitsThatTheBusRefusesHoldTheKeyFromThenOn) {
  DispatcherHarness h(Parking());
  SessionUp session = Session(1);
  session.emits = {"#"};
  h.Up(session);
  h.Deliver(3, {.key = "a"});
  h.HoldSettles();
  h.DoneWith("e1", {wire_text::Join({wire_text::Type("story.seen")})});
  h.ForgetOutput();
  h.SettleHeld(absl::InvalidArgumentError("no such exchange"));
  // e2 was sent meanwhile.
  EXPECT_THAT(h.Settlements(), UnorderedElementsAre("e1 dead EMIT_REFUSED", "e3 returned"));
  h.SettleHeld();
  h.Retry("e2");
  EXPECT_THAT(h.Settlements(), ElementsAre("e2 returned"));
}

}  // namespace
}  // namespace outboard::lane
