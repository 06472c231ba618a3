#include "host/admin/status_proto.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "host/admin/long_pause.h"
#include "host/admin/time_proto.h"
#include "host/base/log.h"
#include "host/base/text.h"

namespace outboard::admin {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr size_t kMaxSuspectWarnings = 10;  // Of one plugin.

// Text from anywhere, as it may be shown: without secrets, and a proto string can hold it.
std::string Shown(const std::string& text) {
  std::string clean = RedactSecrets(text);
  return IsValidUtf8(clean) ? clean : EscapeForPeople(clean);
}

const char* CircuitName(lane::CircuitState state) {
  switch (state) {
    case lane::CircuitState::kClosed: return "closed";
    case lane::CircuitState::kOpen: return "open";
    case lane::CircuitState::kTrial: return "trial";
  }
  return "";
}

const char* RoleName(outboard::plugin::v1::Role role) {
  switch (role) {
    case outboard::plugin::v1::ROLE_WORKER: return "worker";
    case outboard::plugin::v1::ROLE_STAGE: return "stage";
    case outboard::plugin::v1::ROLE_PRODUCER: return "producer";
    default: return "unknown";
  }
}

bool IsOrphan(const LaneSnapshot& lane) { return lane.lane.state == "orphan"; }

std::string LaneName(const Snapshot& snapshot, lane::LaneId id) {
  for (const LaneSnapshot& lane : snapshot.lanes) {
    if (!IsOrphan(lane) && lane.lane.id == id) return lane.lane.name;
  }
  return "";
}

void SetDuration(Duration duration, google::protobuf::Duration* out) {
  const int64_t micros = std::max<int64_t>(duration.count(), 0);
  out->set_seconds(micros / kMicrosPerSecond);
  out->set_nanos(static_cast<int32_t>(micros % kMicrosPerSecond) * 1000);
}

// ---- Plugins
// -------------------------------------------------------------------------------------

void AddInstances(const PluginSnapshot& plugin, host::v1::PluginStatus* out) {
  for (const fleet::InstanceStatus& instance : plugin.fleet.instances) {
    host::v1::InstanceStatus* to = out->add_instances();
    to->set_number(instance.number);
    to->set_quarantine(instance.quarantine);
    to->set_state(instance.state);
    to->set_pid(instance.pid);
    to->set_address(Shown(instance.address));
    to->set_restarts(instance.restarts);
    to->set_last_end(Shown(instance.last_end));
    for (const std::string& text : instance.unapplied) to->add_unapplied(Shown(text));
    uint64_t in_flight = 0;
    for (const shard::InstanceLoad& load : plugin.shard.loads) {
      if (instance.uid != 0 && load.uid == instance.uid) in_flight += load.in_flight;
    }
    to->set_in_flight(in_flight);
  }
  std::stable_sort(out->mutable_instances()->begin(), out->mutable_instances()->end(),
                   [](const auto& a, const auto& b) { return a.number() < b.number(); });
}

void AddComponents(const PluginSnapshot& plugin, host::v1::PluginStatus* out) {
  for (const outboard::plugin::v1::Component& component : plugin.fleet.components) {
    host::v1::ComponentStatus* to = out->add_components();
    to->set_name(component.name());
    to->set_role(RoleName(component.role()));
    const auto found = plugin.shard.disabled.find(component.name());
    if (found != plugin.shard.disabled.end()) {
      to->set_disabled_reason(Shown(found->second));
    } else if (component.disabled()) {
      to->set_disabled_reason(Shown(component.disabled_reason()));
    }
    const bool disabled = component.disabled() || found != plugin.shard.disabled.end();
    if (disabled && to->disabled_reason().empty()) {
      to->set_disabled_reason("the plugin gave no reason");
    }
  }
}

void AddPlugin(const Snapshot& snapshot, const PluginSnapshot& plugin,
               host::v1::PluginStatus* out) {
  out->set_name(plugin.name);
  out->set_program(Shown(plugin.fleet.program));
  out->set_version(Shown(plugin.fleet.version));
  out->set_sdk(Shown(plugin.fleet.sdk));
  out->set_circuit(CircuitName(plugin.shard.circuit));
  out->set_circuit_reason(Shown(plugin.shard.circuit_reason));
  out->set_restarts(plugin.fleet.restarts);
  AddInstances(plugin, out);
  AddComponents(plugin, out);
  for (const lane::SuspectView& suspect : plugin.shard.suspects) {
    host::v1::SuspectStatus* to = out->add_suspects();
    to->set_lane(LaneName(snapshot, suspect.lane));
    to->set_event_id(Shown(suspect.event_id));
    to->set_ends(suspect.ends);
    to->set_set_aside(suspect.set_aside);
  }
}

void AddSettlement(const bus::SettlementInfo& plan, host::v1::BusStatus* out) {
  if (plan.basis.empty()) return;
  host::v1::SettlementPlan* to = out->mutable_settlement();
  to->set_basis(plan.basis);
  to->set_run(plan.run);
  for (const bus::SettlementInfo::Row& row : plan.rows) {
    host::v1::SettlementRow* added = to->add_rows();
    added->set_end(row.end);
    added->set_lanes(row.lanes);
    added->mutable_operations()->Assign(row.operations.begin(), row.operations.end());
  }
  for (const bus::SettlementInfo::Queue& queue : plan.queues) {
    host::v1::SettlementQueue* added = to->add_queues();
    added->set_queue(queue.queue);
    added->set_made_as(queue.made_as);
  }
  to->mutable_notes()->Assign(plan.notes.begin(), plan.notes.end());
}

// ---- Warnings: what, where and how to fix it
// -----------------------------------------------------

using Warnings = std::vector<std::string>;

void WarnOfBus(const Snapshot& snapshot, Warnings* out) {
  const bus::BusInfo& bus = snapshot.bus;
  for (const std::string& warning : bus.warnings) out->push_back(absl::StrCat("bus: ", warning));
  if (!snapshot.bus_problem.empty()) {
    out->push_back(absl::StrCat("bus: its lanes cannot be read, so backlogs are not shown: ",
                                snapshot.bus_problem));
  } else if (!bus.connected && bus.warnings.empty()) {
    out->push_back(absl::StrCat("bus: ", bus.kind, " at ", bus.location,
                                " is not connected, nothing is taken or delivered: see that it can "
                                "be reached; the host goes on by itself then"));
  }
}

void WarnOfSuspects(const Snapshot& snapshot, const PluginSnapshot& plugin, Warnings* out) {
  size_t more = 0;
  size_t shown = 0;
  for (const lane::SuspectView& suspect : plugin.shard.suspects) {
    if (!suspect.set_aside) continue;
    if (++shown > kMaxSuspectWarnings) {
      ++more;
      continue;
    }
    out->push_back(absl::StrCat(
        "plugin ", plugin.name, ": event ", suspect.event_id, " of lane ",
        LaneName(snapshot, suspect.lane), " ended its process ", suspect.ends,
        " times and is set aside; it becomes a dead letter with the next success of another event: "
        "mend the plugin, then replay it with `outboard dead replay`"));
  }
  if (more > 0) {
    out->push_back(absl::StrCat("plugin ", plugin.name, ": ", more,
                                " more events are set aside: `outboard status --json` lists all"));
  }
}

// Each once, however many instances lack it.
void WarnOfUnapplied(const PluginSnapshot& plugin, Warnings* out) {
  std::set<std::string> said;
  for (const fleet::InstanceStatus& instance : plugin.fleet.instances) {
    for (const std::string& text : instance.unapplied) {
      if (said.insert(text).second) {
        out->push_back(absl::StrCat("plugin ", plugin.name, ": ", text));
      }
    }
  }
}

void WarnOfPlugin(const Snapshot& snapshot, const PluginSnapshot& plugin, Warnings* out) {
  const std::string where = absl::StrCat("plugin ", plugin.name, ": ");
  if (!plugin.fleet.problem.empty()) out->push_back(absl::StrCat(where, plugin.fleet.problem));
  if (!plugin.shard.problem.empty() && plugin.shard.problem != plugin.fleet.problem) {
    out->push_back(absl::StrCat(where, plugin.shard.problem));
  }
  if (plugin.shard.circuit != lane::CircuitState::kClosed) {
    const bool trial = plugin.shard.circuit == lane::CircuitState::kTrial;
    out->push_back(absl::StrCat(
        where, trial ? "its circuit is open, a trial is under way" : "its circuit is open",
        "; its lanes keep their events: mend the plugin or its config (its log lines say how it "
        "ended); the host tries it again by itself",
        // Last, since it may have the last lines of a process.
        plugin.shard.circuit_reason.empty() ? "" : "; why: ", plugin.shard.circuit_reason));
  }
  WarnOfSuspects(snapshot, plugin, out);
  WarnOfUnapplied(plugin, out);
}

// What a dead letter that stops the lane asks for; empty: none does.
std::string AdviceOn(const LaneSnapshot& lane) {
  if (lane.bus.parked > 0) {
    return absl::StrCat(lane.bus.parked, " events of ", lane.bus.parked_keys,
                        lane.bus.parked_keys == 1 ? " key wait" : " keys wait",
                        " behind dead letters: `outboard dead list --lane ", lane.lane.name,
                        "` shows them; they go on when the letters are replayed or purged",
                        lane.bus.park_full
                            ? "; no more may wait, so the lane takes nothing: that, or a greater "
                              "park_limit, has it go on"
                            : "");
  }
  if (!lane.stopped_by) {
    return lane.lane.state != "dead letter"
               ? ""
               : "it takes nothing until the bus has told which dead letters it has of it";
  }
  const StoppedBy& by = *lane.stopped_by;
  return absl::StrCat("stopped by dead letter ", by.dead_id, " (", by.reason, ", event ",
                      by.event_id, "): see `outboard dead show ", by.dead_id,
                      "`; the lane goes on when its dead letters are replayed or purged, or past "
                      "them with `outboard lane resume ",
                      lane.lane.name, "`",
                      lane.lane.stats.paused ? ", once more, as that ends its pause first" : "");
}

void WarnOfLane(const LaneSnapshot& lane, Time now, Warnings* out) {
  const std::string& name = lane.lane.name;
  if (const std::string advice = AdviceOn(lane); !advice.empty())
    out->push_back(absl::StrCat("lane ", name, ": ", advice));
  if (lane.bus.backlog == 0) return;
  if (const size_t at = name.find('@'); IsOrphan(lane) && at != std::string::npos) {
    const std::string now_called = name.substr(0, at);
    out->push_back(
        absl::StrCat("lane ", now_called, ": the queue that it had before its route changed keeps ",
                     lane.bus.backlog, " events: outboard lane forget ", name,
                     " --to-dead makes dead letters of them, which outboard dead replay --lane ",
                     now_called, " gives to the lane; --discard deletes them"));
  } else if (IsOrphan(lane)) {
    out->push_back(absl::StrCat("lane ", name, ": not in the config any more, and keeps ",
                                lane.bus.backlog,
                                " events: name its route and target again to go on, or give them "
                                "up with `outboard lane forget ",
                                name, " --discard` (or --to-dead, to keep them as dead letters)"));
  } else if (lane.lane.state == "disabled") {
    out->push_back(absl::StrCat(
        "lane ", name, ": its component is disabled, and ", lane.bus.backlog,
        " events wait: change the plugin's config so that it is enabled (its reason is shown with "
        "the component), or take the target out of the route"));
  } else if (lane.lane.state == kPausedTooLong) {
    const auto minutes =
        std::chrono::floor<std::chrono::minutes>(PauseWithEventsWaiting(lane, now));
    out->push_back(absl::StrCat(
        "lane ", name, ": its plugin has held its window at 0 for ", minutes.count(),
        " minutes, and ", lane.bus.backlog,
        " events wait: see in its log why it paused, and let it open its window again, or restart "
        "it; the host does not end it for this"));
  }
}

void WarnOfConvictions(const Probation& probation, Warnings* out) {
  if (probation.convictions == 0) return;
  out->push_back(absl::StrCat(
      "hosts died while they read ", probation.convictions,
      " deliveries, which are dead letters now: see `outboard dead list --reason HOST_CRASH`, and "
      "replay them on a host that is mended"));
}

Warnings WarningsOf(const Snapshot& snapshot) {
  Warnings warnings;
  WarnOfConvictions(snapshot.probation, &warnings);
  WarnOfBus(snapshot, &warnings);
  for (const PluginSnapshot& plugin : snapshot.plugins) WarnOfPlugin(snapshot, plugin, &warnings);
  for (const LaneSnapshot& lane : snapshot.lanes) WarnOfLane(lane, snapshot.now, &warnings);
  return warnings;
}

void SetStage(const shard::StageStatus& stage, host::v1::StageStatus* out) {
  out->set_name(stage.stage);
  out->set_state(stage.state);
  out->set_in_flight(stage.stats.in_flight);
  out->set_passed(stage.stats.passed);
  out->set_halted(stage.stats.halted);
  out->set_observes(stage.observes);
  out->set_missed(stage.missed);
}

void AddPipeline(const shard::PipelineStatus& pipeline, host::v1::PipelineStatus* out) {
  out->set_name(pipeline.name);
  for (const shard::StageStatus& stage : pipeline.stages) SetStage(stage, out->add_stages());
  out->set_under_way(pipeline.stats.under_way);
  out->set_answered(pipeline.stats.answered);
  out->set_unanswered(pipeline.stats.unanswered);
  for (const auto& [code, count] : pipeline.stats.failed)
    (*out->mutable_failed())[absl::StatusCodeToString(code)] = count;
}

}  // namespace

host::v1::LaneStatus ToLaneStatus(const LaneSnapshot& lane, Time now) {
  host::v1::LaneStatus out;
  out.set_name(lane.lane.name);
  out.set_state(lane.lane.state);
  out.set_route(lane.lane.route);
  out.set_target(lane.lane.target);
  if (IsOrphan(lane)) {
    const size_t slash = std::min(lane.lane.name.find('/'), lane.lane.name.size());
    out.set_route(lane.lane.name.substr(0, slash));
    out.set_target(lane.lane.name.substr(std::min(slash + 1, lane.lane.name.size())));
  }
  out.set_backlog(lane.bus.backlog);
  out.set_retrying(lane.bus.retrying);
  out.set_dead(lane.bus.dead);
  out.set_uncounted(!lane.bus.counted);
  if (lane.bus.age) SetDuration(*lane.bus.age, out.mutable_counted_ago());
  if (lane.bus.oldest) SetDuration(now - *lane.bus.oldest, out.mutable_lag());
  const lane::LaneStats& stats = lane.lane.stats;
  out.set_in_flight(stats.in_flight);
  out.set_done(stats.done);
  out.set_received(stats.received);
  out.set_retries(stats.retries);
  out.set_redelivered(stats.redelivered);
  for (const shard::StageStatus& stage : lane.lane.stages) SetStage(stage, out.add_stages());
  out.set_parked(lane.bus.parked);
  out.set_parked_keys(lane.bus.parked_keys);
  if (lane.stopped_by) out.set_stopped_by(lane.stopped_by->dead_id);
  out.set_advice(Shown(AdviceOn(lane)));
  return out;
}

host::v1::GetStatusResponse ToStatus(const Snapshot& snapshot) {
  host::v1::GetStatusResponse out;
  out.set_host(snapshot.host);
  out.set_version(OUTBOARD_VERSION);
  out.set_pid(getpid());
  SetTime(snapshot.started_at, out.mutable_started_at());
  out.set_config_path(Shown(snapshot.config_path));
  out.set_http_address(snapshot.http_address);
  out.set_grpc_address(snapshot.grpc_address);
  out.set_tls(snapshot.tls);
  out.set_admin_socket(Shown(snapshot.admin_socket));
  out.set_draining(snapshot.draining);
  out.mutable_bus()->set_kind(snapshot.bus.kind);
  out.mutable_bus()->set_location(Shown(snapshot.bus.location));
  out.mutable_bus()->set_connected(snapshot.bus.connected && snapshot.bus_problem.empty());
  out.mutable_bus()->set_bytes(snapshot.bus.bytes);
  out.mutable_bus()->set_events(snapshot.bus.events);
  AddSettlement(snapshot.bus.settlement, out.mutable_bus());
  out.mutable_probation()->set_deliveries_left(snapshot.probation.left);
  out.mutable_probation()->set_convictions(snapshot.probation.convictions);
  for (const PluginSnapshot& plugin : snapshot.plugins) {
    AddPlugin(snapshot, plugin, out.add_plugins());
  }
  for (const LaneSnapshot& lane : snapshot.lanes)
    *out.add_lanes() = ToLaneStatus(lane, snapshot.now);
  for (const shard::PipelineStatus& pipeline : snapshot.pipelines)
    AddPipeline(pipeline, out.add_pipelines());
  for (const shard::PipelineStatus& ingress : snapshot.ingress)
    AddPipeline(ingress, out.add_ingress());
  for (const std::string& warning : WarningsOf(snapshot)) out.add_warnings(Shown(warning));
  return out;
}

}  // namespace outboard::admin
