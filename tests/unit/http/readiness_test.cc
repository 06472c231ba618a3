#include "host/http/readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/base/log.h"
#include "tests/unit/metrics/sample_snapshot.h"

namespace outboard::http {
namespace {

using admin::SampleSnapshot;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(ReadinessTest, OneBrokenPluginDoesNotCount) {
  const Readiness readiness = Judge(SampleSnapshot(), /*strict=*/false);
  EXPECT_TRUE(readiness.ready);
  EXPECT_EQ(readiness.text,
            "ready\n"
            "bus embedded: connected\n"
            "lane stories/notifier: running\n"
            "lane stories/index.search: circuit\n"
            "lane old/notifier: orphan\n"
            "plugin index: nothing answers at dns:///index:9000: start it, or mend its address\n");
}

TEST(ReadinessTest, StrictCountsLanesAndPlugins) {
  const Readiness readiness = Judge(SampleSnapshot(), /*strict=*/true);
  EXPECT_FALSE(readiness.ready);
  EXPECT_THAT(readiness.text,
              StartsWith("not ready: lane stories/index.search: circuit; plugin index\n"));
}

TEST(ReadinessTest, StrictCountsALaneWithoutSession) {
  admin::Snapshot s = SampleSnapshot();
  s.plugins.pop_back();
  s.lanes[1].lane.state = "no session";
  EXPECT_THAT(Judge(s, true).text,
              StartsWith("not ready: lane stories/index.search: no session\n"));
  s.lanes[1].lane.state = "paused";
  EXPECT_TRUE(Judge(s, true).ready);
  s.lanes[1].lane.state = admin::kPausedTooLong;
  EXPECT_THAT(Judge(s, true).text,
              StartsWith("not ready: lane stories/index.search: paused too long\n"));
  EXPECT_TRUE(Judge(s, false).ready);
}

TEST(ReadinessTest, StrictCountsAnOpenCircuitOfAPluginThatSaysNothingElse) {
  admin::Snapshot s = SampleSnapshot();
  s.plugins[1].fleet.problem.clear();
  s.lanes[1].lane.state = "running";
  const Readiness readiness = Judge(s, true);
  EXPECT_FALSE(readiness.ready);
  EXPECT_THAT(readiness.text, HasSubstr("plugin index: circuit open: 5 crashes in 60 s\n"));
}

TEST(ReadinessTest, ABusThatIsAwayIsNotReady) {
  admin::Snapshot s = SampleSnapshot();
  s.bus.connected = false;
  EXPECT_THAT(Judge(s, false).text, StartsWith("not ready: bus not connected\n"));
  s.bus.warnings = {"Connection refused", "more"};
  EXPECT_THAT(Judge(s, false).text, HasSubstr("bus embedded: not connected: Connection refused\n"));
  s.bus.connected = true;
  s.bus_problem = "disk I/O error";
  EXPECT_FALSE(Judge(s, false).ready);
  EXPECT_THAT(Judge(s, false).text, HasSubstr("bus embedded: not connected: disk I/O error\n"));
}

TEST(ReadinessTest, ADrainingHostIsNotReady) {
  admin::Snapshot s = SampleSnapshot();
  s.draining = true;
  EXPECT_THAT(Judge(s, false).text, StartsWith("not ready: draining\n"));
}

TEST(ReadinessTest, AHostThatIsStartingIsNotReady) {
  admin::Snapshot s = SampleSnapshot();
  s.starting = true;
  s.plugins.clear();
  s.lanes.clear();
  EXPECT_EQ(Judge(s, false).text, "not ready: starting\nbus embedded: connected\n");
}

TEST(ReadinessTest, EachLaneHasOneLineWhateverAPluginSays) {
  AddLogSecret("readiness-5ecret");
  admin::Snapshot s = SampleSnapshot();
  s.plugins[1].fleet.problem = "ended:\nlane stories/fake: running\nreadiness-5ecret";
  const std::string text = Judge(s, false).text;
  EXPECT_THAT(text, Not(HasSubstr("\nlane stories/fake")));
  EXPECT_THAT(text, Not(HasSubstr("readiness-5ecret")));
}

}  // namespace
}  // namespace outboard::http
