#include "host/admin/status_proto.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "host/base/log.h"
#include "tests/unit/metrics/sample_snapshot.h"

namespace outboard::admin {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

// Without anything that needs a person.
Snapshot HealthySnapshot() {
  Snapshot s = SampleSnapshot();
  s.plugins[0].shard.suspects.clear();
  s.plugins[1].fleet.problem.clear();
  s.plugins[1].shard.circuit = lane::CircuitState::kClosed;
  s.plugins[1].shard.circuit_reason.clear();
  s.lanes[1].lane.state = "running";
  s.lanes.pop_back();
  return s;
}

TEST(StatusProtoTest, SaysWhatTheHostIs) {
  const host::v1::GetStatusResponse status = ToStatus(SampleSnapshot());
  EXPECT_EQ(status.host(), "tracker");
  EXPECT_EQ(status.version(), OUTBOARD_VERSION);
  EXPECT_EQ(status.pid(), getpid());
  EXPECT_EQ(status.started_at().seconds(), 1'700'000'000);
  EXPECT_EQ(status.config_path(), "outboard.yaml");
  EXPECT_EQ(status.http_address(), "127.0.0.1:8080");
  EXPECT_EQ(status.admin_socket(), "/run/outboard/tracker.sock");
  EXPECT_FALSE(status.draining());
  EXPECT_EQ(status.bus().kind(), "embedded");
  EXPECT_EQ(status.bus().location(), "outboard-data/bus.db");
  EXPECT_TRUE(status.bus().connected());
  EXPECT_EQ(status.bus().bytes(), 4096u);
  EXPECT_EQ(status.bus().events(), 17u);
  EXPECT_FALSE(status.bus().has_settlement());
}

TEST(StatusProtoTest, ShowsWhatDeliveriesBecomeOnABroker) {
  Snapshot s = HealthySnapshot();
  s.bus.settlement.basis = "quorum queues, RabbitMQ 3.10.8";
  s.bus.settlement.run = true;
  s.bus.settlement.rows = {{"retry", "reliable", {"publish to rung", "ack"}}};
  s.bus.settlement.queues = {{"lane", "durable"}};
  s.bus.settlement.notes = {"a note"};
  const host::v1::GetStatusResponse status = ToStatus(s);
  const host::v1::SettlementPlan& plan = status.bus().settlement();
  EXPECT_EQ(plan.basis(), "quorum queues, RabbitMQ 3.10.8");
  EXPECT_TRUE(plan.run());
  ASSERT_EQ(plan.rows_size(), 1);
  EXPECT_EQ(plan.rows(0).end(), "retry");
  EXPECT_EQ(plan.rows(0).lanes(), "reliable");
  EXPECT_THAT(plan.rows(0).operations(), ElementsAre("publish to rung", "ack"));
  ASSERT_EQ(plan.queues_size(), 1);
  EXPECT_EQ(plan.queues(0).queue(), "lane");
  EXPECT_EQ(plan.queues(0).made_as(), "durable");
  EXPECT_THAT(plan.notes(), ElementsAre("a note"));
}

TEST(StatusProtoTest, ShowsPluginsWithInstancesByNumber) {
  const host::v1::GetStatusResponse status = ToStatus(SampleSnapshot());
  ASSERT_EQ(status.plugins_size(), 2);
  const host::v1::PluginStatus& notifier = status.plugins(0);
  EXPECT_EQ(notifier.name(), "notifier");
  EXPECT_EQ(notifier.version(), "1.2");
  EXPECT_EQ(notifier.circuit(), "closed");
  EXPECT_EQ(notifier.restarts(), 5u);
  ASSERT_EQ(notifier.instances_size(), 3);
  EXPECT_EQ(notifier.instances(0).number(), 0u);
  EXPECT_EQ(notifier.instances(0).pid(), 101);
  EXPECT_EQ(notifier.instances(0).in_flight(), 4u);  // Of two sessions.
  EXPECT_EQ(notifier.instances(0).last_end(), "killed by signal 9");
  EXPECT_FALSE(notifier.instances(0).quarantine());
  EXPECT_EQ(notifier.instances(1).state(), "quarantine");
  EXPECT_TRUE(notifier.instances(1).quarantine());
  EXPECT_EQ(notifier.instances(2).number(), 1u);
  EXPECT_EQ(status.plugins(1).circuit(), "open");
  EXPECT_EQ(status.plugins(1).circuit_reason(), "5 crashes in 60 s");
  EXPECT_EQ(status.plugins(1).instances(0).in_flight(), 0u);
}

TEST(StatusProtoTest, WarnsOnceOfEachMeasureThatInstancesAreWithout) {
  Snapshot s = HealthySnapshot();
  const std::string text = "limits.cpu is not applied: no cgroup; fix: run the host as root";
  s.plugins[0].fleet.instances[0].unapplied = {text};
  s.plugins[0].fleet.instances[1].unapplied = {text};
  const host::v1::GetStatusResponse status = ToStatus(s);
  EXPECT_THAT(status.plugins(0).instances(0).unapplied(), ElementsAre(text));
  EXPECT_THAT(status.warnings(), ElementsAre("plugin notifier: " + text));
}

TEST(StatusProtoTest, NamesSuspectsWithTheirLane) {
  const host::v1::GetStatusResponse status = ToStatus(SampleSnapshot());
  ASSERT_EQ(status.plugins(0).suspects_size(), 2);
  const host::v1::SuspectStatus& suspect = status.plugins(0).suspects(0);
  EXPECT_EQ(suspect.lane(), "stories/notifier");
  EXPECT_EQ(suspect.event_id(), "e7");
  EXPECT_EQ(suspect.ends(), 2u);
  EXPECT_TRUE(suspect.set_aside());
  EXPECT_FALSE(status.plugins(0).suspects(1).set_aside());
}

TEST(StatusProtoTest, ShowsWhyAComponentIsNotUsed) {
  Snapshot s = SampleSnapshot();
  EXPECT_EQ(ToStatus(s).plugins(0).components(0).role(), "worker");
  EXPECT_EQ(ToStatus(s).plugins(0).components(0).disabled_reason(), "");
  s.plugins[0].fleet.components[0].set_disabled(true);
  EXPECT_EQ(ToStatus(s).plugins(0).components(0).disabled_reason(), "the plugin gave no reason");
  s.plugins[0].fleet.components[0].set_disabled_reason("no smtp server given");
  EXPECT_EQ(ToStatus(s).plugins(0).components(0).disabled_reason(), "no smtp server given");
  s.plugins[0].shard.disabled["notify"] = "said so in Opened";
  EXPECT_EQ(ToStatus(s).plugins(0).components(0).disabled_reason(), "said so in Opened");
}

TEST(StatusProtoTest, ShowsLanes) {
  const Snapshot s = SampleSnapshot();
  const host::v1::LaneStatus lane = ToLaneStatus(s.lanes[0], s.now);
  EXPECT_EQ(lane.name(), "stories/notifier");
  EXPECT_EQ(lane.route(), "stories");
  EXPECT_EQ(lane.target(), "notifier");
  EXPECT_EQ(lane.state(), "running");
  EXPECT_EQ(lane.backlog(), 12u);
  EXPECT_EQ(lane.in_flight(), 4u);
  EXPECT_EQ(lane.retrying(), 3u);
  EXPECT_EQ(lane.dead(), 4u);
  EXPECT_EQ(lane.lag().seconds(), 2);
  EXPECT_EQ(lane.lag().nanos(), 500'000'000);
  EXPECT_EQ(lane.done(), 30u);
  EXPECT_EQ(lane.received(), 50u);
  EXPECT_EQ(lane.retries(), 7u);
  EXPECT_EQ(lane.redelivered(), 9u);
  ASSERT_EQ(lane.stages_size(), 1);
  EXPECT_EQ(lane.stages(0).name(), "guard");
  EXPECT_EQ(lane.stages(0).state(), "running");
  EXPECT_EQ(lane.stages(0).in_flight(), 2u);
  EXPECT_EQ(lane.stages(0).passed(), 40u);
  EXPECT_EQ(lane.stages(0).halted(), 1u);
  EXPECT_FALSE(ToLaneStatus(s.lanes[1], s.now).has_lag());
  EXPECT_EQ(ToStatus(s).lanes_size(), 3);
}

TEST(StatusProtoTest, ShowsPipelinesWithTheirStages) {
  const host::v1::GetStatusResponse status = ToStatus(SampleSnapshot());
  ASSERT_EQ(status.pipelines_size(), 1);
  const host::v1::PipelineStatus& queue = status.pipelines(0);
  EXPECT_EQ(queue.name(), "queue");
  EXPECT_EQ(queue.under_way(), 3u);
  EXPECT_EQ(queue.answered(), 21u);
  EXPECT_EQ(queue.unanswered(), 2u);
  EXPECT_EQ(queue.failed().at("NOT_FOUND"), 4u);
  ASSERT_EQ(queue.stages_size(), 1);
  EXPECT_EQ(queue.stages(0).name(), "store");
  EXPECT_EQ(queue.stages(0).halted(), 21u);
}

TEST(StatusProtoTest, ShowsWhatEventsGoThroughBeforeTheBus) {
  const host::v1::GetStatusResponse status = ToStatus(SampleSnapshot());
  ASSERT_EQ(status.ingress_size(), 1);
  const host::v1::PipelineStatus& screening = status.ingress(0);
  EXPECT_EQ(screening.name(), "screening");
  EXPECT_EQ(screening.answered(), 6u);
  EXPECT_EQ(screening.unanswered(), 90u);
  EXPECT_EQ(screening.stages(0).name(), "screen");
}

TEST(StatusProtoTest, AnOrphanIsSplitIntoRouteAndTarget) {
  const Snapshot s = SampleSnapshot();
  const host::v1::LaneStatus lane = ToLaneStatus(s.lanes[2], s.now);
  EXPECT_EQ(lane.state(), "orphan");
  EXPECT_EQ(lane.route(), "old");
  EXPECT_EQ(lane.target(), "notifier");
  EXPECT_EQ(lane.backlog(), 7u);
}

TEST(StatusProtoTest, SaysHowOldTheNumbersOfABusAre) {
  Snapshot s = SampleSnapshot();
  EXPECT_FALSE(ToLaneStatus(s.lanes[0], s.now).has_counted_ago());
  EXPECT_FALSE(ToLaneStatus(s.lanes[0], s.now).uncounted());
  s.lanes[0].bus.age = std::chrono::milliseconds(3500);
  s.lanes[1].bus.counted = false;
  EXPECT_EQ(ToLaneStatus(s.lanes[0], s.now).counted_ago().seconds(), 3);
  EXPECT_EQ(ToLaneStatus(s.lanes[0], s.now).counted_ago().nanos(), 500'000'000);
  EXPECT_TRUE(ToLaneStatus(s.lanes[1], s.now).uncounted());
}

TEST(StatusProtoTest, AHealthyHostWarnsOfNothing) {
  EXPECT_THAT(ToStatus(HealthySnapshot()).warnings(), IsEmpty());
}

TEST(StatusProtoTest, WarnsOfTheBus) {
  Snapshot s = HealthySnapshot();
  s.bus.warnings = {"80 % of bus.max_bytes are used"};
  EXPECT_THAT(ToStatus(s).warnings(), ElementsAre("bus: 80 % of bus.max_bytes are used"));
  s.bus.warnings.clear();
  s.bus.connected = false;
  EXPECT_THAT(ToStatus(s).warnings(),
              ElementsAre(HasSubstr("outboard-data/bus.db is not connected")));
  s.bus.connected = true;
  s.bus_problem = "disk I/O error";
  const host::v1::GetStatusResponse status = ToStatus(s);
  EXPECT_THAT(status.warnings(), ElementsAre(HasSubstr("disk I/O error")));
  EXPECT_FALSE(status.bus().connected());
}

TEST(StatusProtoTest, WarnsOfOpenCircuitsWithTheReason) {
  Snapshot s = HealthySnapshot();
  s.plugins[1].shard.circuit = lane::CircuitState::kOpen;
  s.plugins[1].shard.circuit_reason = "5 crashes in 60 s";
  EXPECT_THAT(ToStatus(s).warnings(),
              ElementsAre(AllOf(StartsWith("plugin index: its circuit is open; its lanes keep"),
                                HasSubstr("mend the plugin"), EndsWith("why: 5 crashes in 60 s"))));
}

TEST(StatusProtoTest, WarnsOfProblemsOfPluginsOnce) {
  Snapshot s = HealthySnapshot();
  s.plugins[1].fleet.problem = "it exits at once: see its log";
  s.plugins[1].shard.problem = "it exits at once: see its log";
  EXPECT_THAT(ToStatus(s).warnings(), ElementsAre("plugin index: it exits at once: see its log"));
  s.plugins[1].shard.problem = "it has no component search: name one of: find";
  EXPECT_THAT(ToStatus(s).warnings(), SizeIs(2));
}

TEST(StatusProtoTest, WarnsOfEventsSetAsideUpToABound) {
  Snapshot s = HealthySnapshot();
  s.plugins[0].shard.suspects = {{0, "e7", 2, true}, {0, "e8", 1, false}};
  EXPECT_THAT(
      ToStatus(s).warnings(),
      ElementsAre(HasSubstr("event e7 of lane stories/notifier ended its process 2 times")));
  s.plugins[0].shard.suspects.assign(25, {0, "e7", 2, true});
  EXPECT_THAT(ToStatus(s).warnings(), SizeIs(11));
  EXPECT_THAT(ToStatus(s).warnings(10), HasSubstr("15 more"));
}

TEST(StatusProtoTest, WarnsOfOrphansThatKeepEvents) {
  Snapshot s = SampleSnapshot();
  EXPECT_THAT(ToStatus(s).warnings(),
              Contains(AllOf(StartsWith("lane old/notifier:"), HasSubstr("7 events"),
                             HasSubstr("outboard lane forget old/notifier --discard"))));
  s.lanes[2].bus.backlog = 0;
  EXPECT_THAT(ToStatus(s).warnings(), Each(Not(StartsWith("lane old/notifier"))));
}

TEST(StatusProtoTest, WarnsOfAQueueThatALaneHasNoMore) {
  Snapshot s = HealthySnapshot();
  LaneSnapshot& former = s.lanes.emplace_back();
  former.lane.name = "stories/notifier@outboard.singleton.any.0";
  former.lane.state = "orphan";
  former.bus.backlog = 7;
  EXPECT_THAT(
      ToStatus(s).warnings(),
      ElementsAre(AllOf(StartsWith("lane stories/notifier:"), HasSubstr("7 events"),
                        HasSubstr("forget stories/notifier@outboard.singleton.any.0 --to-dead"),
                        HasSubstr("replay --lane stories/notifier gives"))));
}

TEST(StatusProtoTest, WarnsOfEventsThatWaitForADisabledComponent) {
  Snapshot s = HealthySnapshot();
  s.lanes[0].lane.state = "disabled";
  EXPECT_THAT(ToStatus(s).warnings(), ElementsAre(AllOf(StartsWith("lane stories/notifier:"),
                                                        HasSubstr("12 events wait"))));
}

TEST(StatusProtoTest, WarnsOfAPluginThatHoldsItsWindowAtZero) {
  Snapshot s = HealthySnapshot();
  s.lanes[0].lane.state = kPausedTooLong;
  s.lanes[0].lane.paused_since = s.now;
  s.now += std::chrono::minutes(6);
  EXPECT_THAT(
      ToStatus(s).warnings(),
      ElementsAre(AllOf(StartsWith("lane stories/notifier: its plugin has held its window at 0 for "
                                   "6 minutes, and 12 events wait"),
                        HasSubstr("restart it"))));
}

TEST(StatusProtoTest, SaysWhichDeadLetterStopsALaneAndWhatToDo) {
  Snapshot s = HealthySnapshot();
  EXPECT_EQ(ToStatus(s).lanes(0).stopped_by(), 0u);
  EXPECT_EQ(ToStatus(s).lanes(0).advice(), "");
  const std::string name = s.lanes[0].lane.name;
  s.lanes[0].lane.state = "dead letter";
  EXPECT_THAT(ToStatus(s).warnings(), ElementsAre(HasSubstr("until the bus has told")));
  s.lanes[0].stopped_by = StoppedBy{12, "NO_TITLE", "e1"};
  const host::v1::GetStatusResponse status = ToStatus(s);
  EXPECT_EQ(status.lanes(0).stopped_by(), 12u);
  EXPECT_THAT(
      status.lanes(0).advice(),
      AllOf(StartsWith("stopped by dead letter 12 (NO_TITLE, event e1): "),
            HasSubstr("`outboard dead show 12`"), EndsWith("`outboard lane resume " + name + "`")));
  EXPECT_THAT(status.warnings(), ElementsAre("lane " + name + ": " + status.lanes(0).advice()));
  s.lanes[0].lane.state = "stopped";
  s.lanes[0].lane.stats.paused = true;
  EXPECT_THAT(ToStatus(s).lanes(0).advice(), EndsWith("as that ends its pause first"));
}

TEST(StatusProtoTest, SaysWhatWaitsBehindDeadLetters) {
  Snapshot s = HealthySnapshot();
  s.lanes[0].bus.parked = 12;
  s.lanes[0].bus.parked_keys = 3;
  const host::v1::LaneStatus lane = ToStatus(s).lanes(0);
  EXPECT_EQ(lane.parked(), 12u);
  EXPECT_EQ(lane.parked_keys(), 3u);
  EXPECT_THAT(lane.advice(), StartsWith("12 events of 3 keys wait behind dead letters: "));
  EXPECT_THAT(lane.advice(), Not(HasSubstr("park_limit")));
  s.lanes[0].bus.park_full = true;
  EXPECT_THAT(ToStatus(s).lanes(0).advice(), HasSubstr("or a greater park_limit"));
  EXPECT_THAT(ToStatus(s).warnings(), ElementsAre(HasSubstr("takes nothing")));
}

TEST(StatusProtoTest, ShowsNoSecretAnywhere) {
  const std::string secret = "planted-5ecret";
  AddLogSecret(secret);
  Snapshot s = SampleSnapshot();
  s.config_path = secret;
  s.admin_socket = secret;
  s.bus.location = "amqps://user:" + secret + "@mq1";
  s.bus.warnings = {"cannot log in with " + secret};
  s.bus_problem = secret;
  PluginSnapshot& plugin = s.plugins[0];
  plugin.fleet.program = plugin.fleet.version = plugin.fleet.sdk = secret;
  plugin.fleet.problem = "argv has " + secret;
  plugin.fleet.instances[0].last_end = "last line: " + secret;
  plugin.fleet.instances[0].address = secret;
  plugin.fleet.components[0].set_disabled(true);
  plugin.fleet.components[0].set_disabled_reason(secret);
  plugin.shard.problem = secret + "!";
  plugin.shard.circuit = lane::CircuitState::kTrial;
  plugin.shard.circuit_reason = secret;
  plugin.shard.suspects[0].event_id = secret;
  const std::string text = ToStatus(s).DebugString();
  EXPECT_THAT(text, Not(HasSubstr(secret)));
  EXPECT_THAT(text, HasSubstr("amqps://user:***@mq1"));
}

TEST(StatusProtoTest, TextsThatAreNoUtf8AreEscaped) {
  Snapshot s = SampleSnapshot();
  s.plugins[0].fleet.instances[0].last_end = "said \xff\xfe";
  const host::v1::GetStatusResponse status = ToStatus(s);
  EXPECT_EQ(status.plugins(0).instances(2).last_end(), "said \\xFF\\xFE");
}

}  // namespace
}  // namespace outboard::admin
