#include "host/admin/long_pause.h"

#include <gtest/gtest.h>

#include "tests/unit/metrics/sample_snapshot.h"

namespace outboard::admin {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// Lane stories/notifier is paused since a minute after the sample's time, with 12 events of which 4
// are in flight and 3 wait for a retry.
Snapshot PausedSnapshot() {
  Snapshot s = SampleSnapshot();
  s.lanes[0].lane.state = "paused";
  s.lanes[0].lane.paused_since = s.now + minutes(1);
  return s;
}

std::string StateAfter(Snapshot s, Duration later) {
  s.now += later;
  MarkLongPauses(&s);
  return s.lanes[0].lane.state;
}

TEST(LongPauseTest, FiveMinutesWithEventsWaitingAreTooLong) {
  const Snapshot s = PausedSnapshot();
  EXPECT_EQ(StateAfter(s, minutes(6) - seconds(1)), "paused");
  EXPECT_EQ(StateAfter(s, minutes(6)), "paused too long");
}

TEST(LongPauseTest, NobodyMindsAPauseWithoutEvents) {
  Snapshot s = PausedSnapshot();
  s.lanes[0].bus.backlog = 7;  // In flight or in retry.
  EXPECT_EQ(StateAfter(s, minutes(60)), "paused");
  s.lanes[0].bus.backlog = 0;
  s.lanes[0].bus.oldest.reset();
  EXPECT_EQ(StateAfter(s, minutes(60)), "paused");
}

TEST(LongPauseTest, AnEventThatCameDuringThePauseHasNotWaitedLongerThanItIsOld) {
  Snapshot s = PausedSnapshot();
  s.lanes[0].bus.oldest = s.now + minutes(50);
  EXPECT_EQ(StateAfter(s, minutes(54)), "paused");
  EXPECT_EQ(StateAfter(s, minutes(55)), "paused too long");
}

TEST(LongPauseTest, OtherStatesStayAsTheyAre) {
  Snapshot s = PausedSnapshot();
  s.lanes[0].lane.state = "running";
  s.lanes[0].lane.paused_since.reset();
  EXPECT_EQ(StateAfter(s, minutes(60)), "running");
}

}  // namespace
}  // namespace outboard::admin
