#pragma once

#include "host/admin/snapshot.h"

namespace outboard::admin {

// A host with something of everything: plugin notifier (two instances and one for suspects, two
// events set aside or suspected), plugin index (remote, circuit open), lanes stories/notifier and
// stories/index.search, and the orphan old/notifier.
inline Snapshot SampleSnapshot() {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  Snapshot s;
  s.host = "tracker";
  s.config_path = "outboard.yaml";
  s.http_address = "127.0.0.1:8080";
  s.admin_socket = "/run/outboard/tracker.sock";
  s.started_at = Time(seconds(1'700'000'000));
  s.now = s.started_at + seconds(100);
  s.bus.kind = "embedded";
  s.bus.location = "outboard-data/bus.db";
  s.bus.connected = true;
  s.bus.bytes = 4096;
  s.bus.events = 17;
  s.published.grpc = {15, 3, 1, 4, 2};
  s.published.http = {7, 5, 6, 8};
  s.published.unmatched = 2;
  s.http_requests = {{{"/events", 202}, 3}, {{"/events", 429}, 1}, {{"/healthz", 200}, 5}};
  s.refused.requests = {{{1, 2, 3}, {4, 5, 6}}};
  s.refused.events = {{"plugin notifier", 7}};
  s.published.events_under_way = 9;
  s.published.bytes_under_way = 900;
  s.published.confirm.Add(milliseconds(2));

  PluginSnapshot& notifier = s.plugins.emplace_back();
  notifier.name = "notifier";
  notifier.fleet.program = "notifier";
  notifier.fleet.version = "1.2";
  notifier.fleet.sdk = "python 0.1";
  notifier.fleet.components.emplace_back().set_name("notify");
  notifier.fleet.components.back().set_role(outboard::plugin::v1::ROLE_WORKER);
  notifier.fleet.instances = {
      {1, false, "ready", 102, "unix:/run/b", 0, "", 12},
      {0, false, "ready", 101, "unix:/run/a", 4, "killed by signal 9", 11},
      {0, true, "quarantine", 103, "unix:/run/q", 1, "exit code 3", 13},
  };
  notifier.fleet.restarts = 5;
  notifier.fleet.restarts_by_cause = {{"exit", 2}, {"signal", 3}};
  notifier.shard.id = 0;
  notifier.shard.loads = {{11, 3}, {12, 4}, {11, 1}};
  notifier.shard.suspects = {{0, "e7", 2, true}, {0, "e8", 1, false}};
  notifier.shard.suspected = 9;
  notifier.shard.convictions = 1;
  notifier.shard.late_answers = 6;
  notifier.shard.protocol_errors = 2;

  PluginSnapshot& index = s.plugins.emplace_back();
  index.name = "index";
  index.fleet.components.emplace_back().set_name("search");
  index.fleet.components.back().set_role(outboard::plugin::v1::ROLE_WORKER);
  index.fleet.instances = {{0, false, "backoff", 0, "dns:///index:9000", 0, "", 0}};
  index.fleet.problem = "nothing answers at dns:///index:9000: start it, or mend its address";
  index.shard.id = 1;
  index.shard.circuit = lane::CircuitState::kOpen;
  index.shard.circuit_reason = "5 crashes in 60 s";
  index.shard.circuit_openings = 1;

  LaneSnapshot& first = s.lanes.emplace_back();
  first.lane.id = 0;
  first.lane.name = "stories/notifier";
  first.lane.route = "stories";
  first.lane.target = "notifier";
  first.lane.state = "running";
  first.lane.abandoned = 7;
  lane::LaneStats& stats = first.lane.stats;
  stats.received = 50;
  stats.done = 30;
  stats.dead = 4;
  stats.returned = 5;
  stats.retries = 7;
  stats.deadlines = 2;
  stats.rejected = 3;
  stats.released = 6;
  stats.emitted = 8;
  stats.redelivered = 9;
  stats.ready = 1;
  stats.parked = 2;
  stats.held = 3;
  stats.in_flight = 4;
  stats.settling = 1;
  stats.handling.Add(milliseconds(2));
  stats.handling.Add(milliseconds(2));
  stats.handling.Add(seconds(400));
  stats.end_to_end.Add(milliseconds(20));
  lane::LaneStats guard;
  guard.in_flight = 2;
  guard.passed = 40;
  guard.halted = 1;
  first.lane.stages = {{"guard", "running", guard}};
  first.lane.dead_by_reason = {{"BAD_DATA", 3}, {"CONVICTED", 1}};
  first.bus = {"stories/notifier", false, 12, 3, 4, 0, 0, false, s.now - milliseconds(2500)};

  LaneSnapshot& second = s.lanes.emplace_back();
  second.lane.id = 1;
  second.lane.name = "stories/index.search";
  second.lane.route = "stories";
  second.lane.target = "index.search";
  second.lane.state = "circuit";
  second.bus = {"stories/index.search", false, 0, 0, 0, 0, 0, false, std::nullopt};

  LaneSnapshot& orphan = s.lanes.emplace_back();
  orphan.lane.name = "old/notifier";
  orphan.lane.state = "orphan";
  orphan.bus = {"old/notifier", true, 7, 0, 2, 0, 0, false, s.now - seconds(60)};

  shard::PipelineStatus& queue = s.pipelines.emplace_back();
  queue.name = "queue";
  queue.stats.answered = 21;
  queue.stats.unanswered = 2;
  queue.stats.failed = {{absl::StatusCode::kNotFound, 4}, {absl::StatusCode::kUnavailable, 1}};
  queue.stats.under_way = 3;
  queue.stats.took.Add(milliseconds(3));
  shard::StageStatus& store = queue.stages.emplace_back();
  store.stage = "store";
  store.state = "running";
  store.stats.passed = 2;
  store.stats.halted = 21;
  store.stats.rejected = 4;
  store.stats.retries = 1;
  store.stats.deadlines = 5;
  store.stats.in_flight = 3;
  store.stats.handling.Add(milliseconds(2));

  shard::PipelineStatus& screening = s.ingress.emplace_back();
  screening.name = "screening";
  screening.stats.answered = 6;
  screening.stats.unanswered = 90;
  screening.stats.failed = {{absl::StatusCode::kInvalidArgument, 2}};
  screening.stages.push_back({"screen", "running", {}});
  screening.stages[0].stats.passed = 90;
  screening.stages[0].stats.halted = 6;
  return s;
}

}  // namespace outboard::admin
