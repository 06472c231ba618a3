#include "host/metrics/exposition.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "host/metrics/families.h"
#include "host/metrics/process.h"

namespace outboard::metrics {
namespace {

using admin::LaneSnapshot;
using admin::PluginSnapshot;
using admin::Snapshot;

// As in outboard.host.v1.LaneStatus.state.
constexpr const char* kLaneStates[] = {"running", "probing",    "paused",     admin::kPausedTooLong,
                                       "circuit", "no session", "draining",   "disabled",
                                       "orphan",  "stopped",    "dead letter"};

double Seconds(Duration duration) { return static_cast<double>(duration.count()) * 1e-6; }

Labels With(Labels labels, const char* name, std::string value) {
  labels.emplace_back(name, std::move(value));
  return labels;
}

// ---- Host and bus
// --------------------------------------------------------------------------------

void AddHost(const Snapshot& s, Families* out) {
  out->Gauge("outboard_build_info", "Always 1; the label says which version runs.");
  out->Add({{"version", OUTBOARD_VERSION}}, 1.0);
  out->Gauge("outboard_draining", "1 from the begin of a drain.");
  out->Add({}, s.draining);
  out->Counter("outboard_config_reloads_total",
               "Reloads of the config since the start of the host: brought in force, or not.");
  out->Add({{"outcome", "succeeded"}}, s.reloads.succeeded);
  out->Add({{"outcome", "failed"}}, s.reloads.failed);
  out->Gauge("outboard_probation_deliveries",
             "Deliveries that the host still reads one at a time, as the host before it did not "
             "end by itself.");
  out->Add({}, s.probation.left);
  out->Counter(
      "outboard_probation_convictions_total",
      "Deliveries that became dead letters unread, since hosts died while they read them.");
  out->Add({}, s.probation.convictions);
  out->Gauge("outboard_config_last_reload_successful",
             "0: the last reload failed, and the config before it is in force.");
  out->Add({}, s.reloads.last_succeeded);
  out->Gauge("outboard_config_applied_timestamp_seconds",
             "Since when the config in force is so, in seconds since 1970.");
  out->Add({}, static_cast<double>(s.reloads.applied_at.time_since_epoch().count()) * 1e-6);
}

void AddBus(const Snapshot& s, Families* out) {
  out->Gauge("outboard_bus_connected", "1 while the bus takes and gives events.");
  out->Add({{"kind", s.bus.kind}}, s.bus.connected && s.bus_problem.empty());
  out->Gauge("outboard_bus_held_bytes", "Bytes that the bus holds; 0 also where it cannot tell.");
  out->Add({}, s.bus.bytes);
  out->Gauge("outboard_bus_held_events", "Events that the bus holds; 0 also where it cannot tell.");
  out->Add({}, s.bus.events);
  out->Gauge("outboard_bus_warnings", "Warnings of the bus that need a person; status shows them.");
  out->Add({}, static_cast<uint64_t>(s.bus.warnings.size()));
}

void AddPublished(const Snapshot& s, Families* out) {
  out->Counter(
      "outboard_publish_events_total",
      "Events from publishers: confirmed by the bus, dropped by a stage before it, refused "
      "as not valid or rejected by such a stage, failed because that stage or the bus did "
      "not take them, or pushed back because too much was under way.");
  const auto add = [&](const char* protocol, const ingress::ProtocolCounters& events) {
    const Labels of = {{"protocol", protocol}};
    out->Add(With(of, "outcome", "confirmed"), events.confirmed);
    out->Add(With(of, "outcome", "dropped"), events.dropped);
    out->Add(With(of, "outcome", "refused"), events.refused);
    out->Add(With(of, "outcome", "failed"), events.failed);
    out->Add(With(of, "outcome", "pushed_back"), events.pushed_back);
  };
  add("grpc", s.published.grpc);
  add("http", s.published.http);
  out->Gauge("outboard_publish_under_way_events",
             "Events from publishers that the bus has not answered.");
  out->Add({}, s.published.events_under_way);
  out->Gauge("outboard_publish_under_way_bytes",
             "Bytes of events from publishers that the bus has not answered.");
  out->Add({}, s.published.bytes_under_way);
  out->Counter("outboard_publish_unmatched_events_total",
               "Confirmed events that no lane of this host takes.");
  out->Add({}, s.published.unmatched);
  out->Histogram("outboard_publish_confirm_seconds",
                 "From a publisher's request to the bus's answer to all of its events.");
  out->Add({}, s.published.confirm);
}

void AddHttp(const Snapshot& s, Families* out) {
  out->Counter("outboard_http_requests_total",
               "Requests that the HTTP port answered, by path (or \"other\") and status.");
  for (const auto& [request, count] : s.http_requests) {
    const auto& [path, status] = request;
    out->Add({{"path", path}, {"status", absl::StrCat(status)}}, count);
  }
}

void AddRefused(const Snapshot& s, Families* out) {
  out->Counter("outboard_access_refused_requests_total",
               "Requests refused, by edge (grpc, http) and cause: no token, a token that is not "
               "known, or a role that does not allow it.");
  constexpr const char* kEdges[] = {"grpc", "http"};
  constexpr const char* kCauses[] = {"no_token", "unknown_token", "role"};
  for (size_t edge = 0; edge < std::size(kEdges); ++edge) {
    for (size_t cause = 0; cause < std::size(kCauses); ++cause) {
      out->Add({{"edge", kEdges[edge]}, {"cause", kCauses[cause]}},
               s.refused.requests[edge][cause]);
    }
  }
  out->Counter("outboard_publish_denied_events_total",
               "Events refused since who published them may not publish their type.");
  for (const auto& [publisher, count] : s.refused.events)
    out->Add({{"publisher", publisher}}, count);
}

void AddLineage(const Snapshot& s, Families* out) {
  out->Counter("outboard_lineage_rows_total",
               "What there was to keep for `outboard why`, of events that did not go straight "
               "through: written, or dropped for want of room or as the disk failed.");
  out->Add({{"outcome", "written"}}, s.lineage.written);
  out->Add({{"outcome", "dropped"}}, s.lineage.dropped);
}

// ---- Lanes
// ---------------------------------------------------------------------------------------

struct LaneNumber {
  const char* name;
  const char* help;
  uint64_t lane::LaneStats::*field;
};

constexpr LaneNumber kLaneCounters[] = {
    {"outboard_lane_events_received_total", "Deliveries that the bus handed to the lane.",
     &lane::LaneStats::received},
    {"outboard_lane_retries_total", "Counted attempts that ended in RETRY or at a deadline.",
     &lane::LaneStats::retries},
    {"outboard_lane_deadlines_total", "Deliveries that were not answered within the time limit.",
     &lane::LaneStats::deadlines},
    {"outboard_lane_rejected_total", "Answers REJECT.", &lane::LaneStats::rejected},
    {"outboard_lane_released_total", "Answers RELEASE.", &lane::LaneStats::released},
    {"outboard_lane_redelivered_total", "Deliveries that came again after a session was lost.",
     &lane::LaneStats::redelivered},
    {"outboard_lane_events_emitted_total", "Events that the target emitted with DONE.",
     &lane::LaneStats::emitted},
};

constexpr LaneNumber kLaneGauges[] = {
    {"outboard_lane_events_ready", "Deliveries in the host that wait for a session.",
     &lane::LaneStats::ready},
    {"outboard_lane_events_parked", "Deliveries in the host that wait for their key.",
     &lane::LaneStats::parked},
    {"outboard_lane_events_held",
     "Deliveries in the host that wait for a retry, a trial or a conviction.",
     &lane::LaneStats::held},
    {"outboard_lane_events_in_flight", "Deliveries with a plugin, unanswered.",
     &lane::LaneStats::in_flight},
    {"outboard_lane_events_settling", "Deliveries whose end the bus is recording.",
     &lane::LaneStats::settling},
};

bool IsOrphan(const LaneSnapshot& lane) { return lane.lane.state == "orphan"; }

Labels LabelsOf(const LaneSnapshot& lane) {
  if (!IsOrphan(lane)) return {{"route", lane.lane.route}, {"target", lane.lane.target}};
  const std::string& name = lane.lane.name;  // "route/target"
  const size_t slash = std::min(name.find('/'), name.size());
  return {{"route", name.substr(0, slash)},
          {"target", name.substr(std::min(slash + 1, name.size()))}};
}

// Calls visit(labels, lane) for the lanes of the config.
template <typename Visit>
void ForDeclared(const Snapshot& s, Visit visit) {
  for (const LaneSnapshot& lane : s.lanes) {
    if (!IsOrphan(lane)) visit(LabelsOf(lane), lane.lane);
  }
}

// What the bus told longer ago would look like what is now.
constexpr Duration kTooOld = std::chrono::seconds(10);

// Calls visit(labels, info) for the lanes that the bus told of, orphans too.
template <typename Visit>
void ForKnown(const Snapshot& s, Visit visit) {
  for (const LaneSnapshot& lane : s.lanes) {
    const bus::LaneInfo& info = lane.bus;
    const bool told = !info.name.empty() && info.counted;
    if (told && info.age.value_or(Duration(0)) < kTooOld) visit(LabelsOf(lane), info);
  }
}

void AddLaneCounts(const Snapshot& s, Families* out) {
  for (const LaneNumber& number : kLaneCounters) {
    out->Counter(number.name, number.help);
    ForDeclared(s, [&](const Labels& labels, const shard::LaneStatus& lane) {
      out->Add(labels, lane.stats.*number.field);
    });
  }
  out->Counter("outboard_lane_events_abandoned_total",
               "Deliveries that a drain left unsettled at its end; the bus gives them again.");
  ForDeclared(s, [&](const Labels& labels, const shard::LaneStatus& lane) {
    out->Add(labels, lane.abandoned);
  });
  out->Counter("outboard_lane_events_settled_total",
               "Ends that the lane gave deliveries: done, dropped (by a stage, or of a type that "
               "the component does not take), dead (a dead letter), or returned to the bus "
               "unhandled.");
  ForDeclared(s, [&](const Labels& labels, const shard::LaneStatus& lane) {
    out->Add(With(labels, "outcome", "done"), lane.stats.done);
    out->Add(With(labels, "outcome", "dropped"), lane.stats.dropped);
    out->Add(With(labels, "outcome", "dead"), lane.stats.dead);
    out->Add(With(labels, "outcome", "returned"), lane.stats.returned);
  });
  out->Counter(
      "outboard_stage_events_total",
      "Events that a stage of the lane let pass (or that passed it by), whose walk it ended "
      "(halted), or that an observer had no room for (missed).");
  ForDeclared(s, [&](const Labels& labels, const shard::LaneStatus& lane) {
    for (const shard::StageStatus& stage : lane.stages) {
      const Labels of = With(labels, "stage", stage.stage);
      out->Add(With(of, "outcome", "passed"), stage.stats.passed);
      out->Add(With(of, "outcome", "halted"), stage.stats.halted);
      out->Add(With(of, "outcome", "missed"), stage.missed);
    }
  });
  out->Counter("outboard_lane_dead_letters_total",
               "Events that the lane gave up, by reason; after 32 reasons of a lane \"other\".");
  ForDeclared(s, [&](const Labels& labels, const shard::LaneStatus& lane) {
    std::map<std::string, uint64_t> shown;  // Two long ones may look the same.
    for (const auto& [reason, count] : lane.dead_by_reason) shown[LabelValue(reason)] += count;
    for (const auto& [reason, count] : shown) out->Add(With(labels, "reason", reason), count);
  });
}

// The entries of the ingress too, under names that no pipeline can have.
template <typename Visit>
void ForPipelines(const Snapshot& s, Visit visit) {
  for (const shard::PipelineStatus& pipeline : s.pipelines)
    visit(Labels{{"pipeline", pipeline.name}}, pipeline);
  for (const shard::PipelineStatus& ingress : s.ingress)
    visit(Labels{{"pipeline", absl::StrCat("ingress/", ingress.name)}}, ingress);
}

void AddPipelines(const Snapshot& s, Families* out) {
  out->Counter(
      "outboard_pipeline_calls_total",
      "Calls that ended: answered by a stage, unanswered where no stage did, or the name "
      "of the code that they failed with. Of ingress/NAME, events before the bus: answered "
      "are those that a stage dropped, unanswered those that went on.");
  ForPipelines(s, [&](const Labels& labels, const shard::PipelineStatus& pipeline) {
    out->Add(With(labels, "outcome", "answered"), pipeline.stats.answered);
    out->Add(With(labels, "outcome", "unanswered"), pipeline.stats.unanswered);
    for (const auto& [code, count] : pipeline.stats.failed)
      out->Add(With(labels, "outcome", absl::StatusCodeToString(code)), count);
  });
  out->Gauge("outboard_pipeline_calls_under_way", "Calls that have no answer yet.");
  ForPipelines(s, [&](const Labels& labels, const shard::PipelineStatus& pipeline) {
    out->Add(labels, pipeline.stats.under_way);
  });
  out->Histogram("outboard_pipeline_seconds",
                 "From when the host has a call to its end, however it ended.");
  ForPipelines(s, [&](const Labels& labels, const shard::PipelineStatus& pipeline) {
    out->Add(labels, pipeline.stats.took);
  });
  out->Counter("outboard_pipeline_stage_calls_total",
               "Calls that a stage let pass (passed), answered (halted), failed for good "
               "(rejected), could not do now (retry), or did not answer in time (deadline).");
  ForPipelines(s, [&](const Labels& labels, const shard::PipelineStatus& pipeline) {
    for (const shard::StageStatus& stage : pipeline.stages) {
      const Labels of = With(labels, "stage", stage.stage);
      out->Add(With(of, "outcome", "passed"), stage.stats.passed);
      out->Add(With(of, "outcome", "halted"), stage.stats.halted);
      out->Add(With(of, "outcome", "rejected"), stage.stats.rejected);
      out->Add(With(of, "outcome", "retry"), stage.stats.retries);
      out->Add(With(of, "outcome", "deadline"), stage.stats.deadlines);
    }
  });
  out->Histogram("outboard_pipeline_stage_seconds",
                 "From the sending of a call to a stage to its answer.");
  ForPipelines(s, [&](const Labels& labels, const shard::PipelineStatus& pipeline) {
    for (const shard::StageStatus& stage : pipeline.stages)
      out->Add(With(labels, "stage", stage.stage), stage.stats.handling);
  });
}

void AddLaneNow(const Snapshot& s, Families* out) {
  for (const LaneNumber& number : kLaneGauges) {
    out->Gauge(number.name, number.help);
    ForDeclared(s, [&](const Labels& labels, const shard::LaneStatus& lane) {
      out->Add(labels, lane.stats.*number.field);
    });
  }
  out->Gauge("outboard_lane_probing",
             "1 while the lane sends one event at a time, because what its target depends on is "
             "down.");
  ForDeclared(s, [&](const Labels& labels, const shard::LaneStatus& lane) {
    out->Add(labels, lane.stats.probing);
  });
  out->Gauge("outboard_lane_state", "1 for the state that the lane is in, 0 for the others.");
  for (const LaneSnapshot& lane : s.lanes) {
    for (const char* state : kLaneStates) {
      out->Add(With(LabelsOf(lane), "state", absl::StrReplaceAll(state, {{" ", "_"}})),
               lane.lane.state == state);
    }
  }
}

void AddLaneBacklog(const Snapshot& s, Families* out) {
  out->Gauge("outboard_lane_backlog_events",
             "Events accepted for the lane and not ended: waiting, in flight and retrying ones, no "
             "dead letters.");
  ForKnown(
      s, [&](const Labels& labels, const bus::LaneInfo& lane) { out->Add(labels, lane.backlog); });
  out->Gauge("outboard_lane_retrying_events", "Events of the backlog that wait for a retry.");
  ForKnown(
      s, [&](const Labels& labels, const bus::LaneInfo& lane) { out->Add(labels, lane.retrying); });
  out->Gauge("outboard_lane_dead_letters_held", "Dead letters of the lane now.");
  ForKnown(s,
           [&](const Labels& labels, const bus::LaneInfo& lane) { out->Add(labels, lane.dead); });
  out->Gauge("outboard_lane_parked_events",
             "Events of the backlog that wait behind dead letters of their keys.");
  ForKnown(s,
           [&](const Labels& labels, const bus::LaneInfo& lane) { out->Add(labels, lane.parked); });
  out->Gauge("outboard_lane_parked_keys", "Keys of which events wait behind dead letters.");
  ForKnown(s, [&](const Labels& labels, const bus::LaneInfo& lane) {
    out->Add(labels, lane.parked_keys);
  });
  out->Gauge("outboard_lane_lag_seconds",
             "Age of the oldest event of the backlog, from when the bus accepted it; 0: none.");
  ForKnown(s, [&](const Labels& labels, const bus::LaneInfo& lane) {
    const Duration lag = lane.oldest ? s.now - *lane.oldest : Duration(0);
    out->Add(labels, std::max(Seconds(lag), 0.0));
  });
}

void AddLaneTimes(const Snapshot& s, Families* out) {
  out->Histogram("outboard_lane_handling_seconds", "From the sending of a delivery to its answer.");
  ForDeclared(s, [&](const Labels& labels, const shard::LaneStatus& lane) {
    out->Add(labels, lane.stats.handling);
  });
  out->Histogram("outboard_lane_end_to_end_seconds",
                 "From when the bus accepted an event to its end as done.");
  ForDeclared(s, [&](const Labels& labels, const shard::LaneStatus& lane) {
    out->Add(labels, lane.stats.end_to_end);
  });
}

// ---- Plugins
// -------------------------------------------------------------------------------------

struct PluginNumber {
  const char* name;
  const char* help;
  uint64_t shard::PluginStatus::*field;
};

constexpr PluginNumber kPluginCounters[] = {
    {"outboard_plugin_circuit_openings_total", "How often the circuit opened.",
     &shard::PluginStatus::circuit_openings},
    {"outboard_plugin_suspected_total", "Deliveries that became suspects: a session ended on them.",
     &shard::PluginStatus::suspected},
    {"outboard_plugin_convictions_total", "Events found to end the plugin's process.",
     &shard::PluginStatus::convictions},
    {"outboard_plugin_late_answers_total",
     "Answers to deliveries that were settled already; ignored.",
     &shard::PluginStatus::late_answers},
    {"outboard_plugin_protocol_errors_total", "Sessions ended because the plugin broke a rule.",
     &shard::PluginStatus::protocol_errors},
};

bool IsReady(const fleet::InstanceStatus& instance) {
  return instance.uid != 0 && !instance.quarantine;
}

uint64_t ReadyInstances(const PluginSnapshot& plugin) {
  const auto& instances = plugin.fleet.instances;
  return static_cast<uint64_t>(std::count_if(instances.begin(), instances.end(), IsReady));
}

uint64_t InFlight(const PluginSnapshot& plugin, const fleet::InstanceStatus& instance) {
  uint64_t sum = 0;
  for (const shard::InstanceLoad& load : plugin.shard.loads) {
    if (instance.uid != 0 && load.uid == instance.uid) sum += load.in_flight;
  }
  return sum;
}

// Calls visit(labels, plugin).
template <typename Visit>
void ForPlugins(const Snapshot& s, Visit visit) {
  for (const PluginSnapshot& plugin : s.plugins) visit(Labels{{"plugin", plugin.name}}, plugin);
}

// Calls visit(labels, plugin, instance).
template <typename Visit>
void ForInstances(const Snapshot& s, Visit visit) {
  ForPlugins(s, [&](const Labels& labels, const PluginSnapshot& plugin) {
    for (const fleet::InstanceStatus& instance : plugin.fleet.instances) {
      const std::string number =
          absl::StrCat(instance.quarantine ? "quarantine-" : "", instance.number);
      visit(With(labels, "instance", number), plugin, instance);
    }
  });
}

void AddPluginCounts(const Snapshot& s, Families* out) {
  for (const PluginNumber& number : kPluginCounters) {
    out->Counter(number.name, number.help);
    ForPlugins(s, [&](const Labels& labels, const PluginSnapshot& plugin) {
      out->Add(labels, plugin.shard.*number.field);
    });
  }
  out->Counter("outboard_plugin_restarts_total",
               "Instances that ended, or connections that broke, and are begun anew: by signal, "
               "exit, connection, or requested by the host.");
  ForPlugins(s, [&](const Labels& labels, const PluginSnapshot& plugin) {
    for (const auto& [cause, count] : plugin.fleet.restarts_by_cause) {
      out->Add(With(labels, "cause", cause), count);
    }
  });
}

void AddPluginNow(const Snapshot& s, Families* out) {
  out->Gauge("outboard_plugin_up", "1 while an instance is ready for work.");
  ForPlugins(s, [&](const Labels& labels, const PluginSnapshot& plugin) {
    out->Add(labels, ReadyInstances(plugin) > 0);
  });
  out->Gauge("outboard_plugin_ready_instances", "Instances that are ready for work.");
  ForPlugins(s, [&](const Labels& labels, const PluginSnapshot& plugin) {
    out->Add(labels, ReadyInstances(plugin));
  });
  out->Gauge("outboard_plugin_circuit_state", "0: closed; 1: open, nothing is sent; 2: in trial.");
  ForPlugins(s, [&](const Labels& labels, const PluginSnapshot& plugin) {
    out->Add(labels, static_cast<uint64_t>(plugin.shard.circuit));
  });
  out->Gauge("outboard_plugin_suspects",
             "Events that are suspected of ending the plugin's process, and not yet cleared or "
             "convicted; those set aside too.");
  ForPlugins(s, [&](const Labels& labels, const PluginSnapshot& plugin) {
    out->Add(labels, static_cast<uint64_t>(plugin.shard.suspects.size()));
  });
  out->Gauge("outboard_component_disabled", "1: the component says that it is not to be used.");
  ForPlugins(s, [&](const Labels& labels, const PluginSnapshot& plugin) {
    for (const auto& component : plugin.fleet.components) {
      const bool disabled =
          component.disabled() || plugin.shard.disabled.count(component.name()) > 0;
      out->Add(With(labels, "component", component.name()), disabled);
    }
  });
}

void AddInstances(const Snapshot& s, Families* out) {
  out->Gauge("outboard_instance_up",
             "1 while the instance is ready; instance \"quarantine-0\" gets suspects only.");
  ForInstances(
      s, [&](const Labels& labels, const PluginSnapshot&, const fleet::InstanceStatus& instance) {
        out->Add(labels, instance.uid != 0);
      });
  out->Gauge("outboard_instance_in_flight", "Deliveries with the instance, unanswered.");
  ForInstances(s, [&](const Labels& labels, const PluginSnapshot& plugin,
                      const fleet::InstanceStatus& instance) {
    out->Add(labels, InFlight(plugin, instance));
  });
  out->Counter("outboard_instance_restarts_total", "Restarts of the instance's process.");
  ForInstances(
      s, [&](const Labels& labels, const PluginSnapshot&, const fleet::InstanceStatus& instance) {
        out->Add(labels, instance.restarts);
      });
}

// ---- The process itself, by the names that every Prometheus client uses
// --------------------------

void AddProcess(const Snapshot& s, Families* out) {
  const ProcessUse use = ReadProcessUse();
  out->Gauge("process_start_time_seconds", "When the host was started, in seconds since 1970.");
  out->Add({}, Seconds(s.started_at.time_since_epoch()));
  out->Counter("process_cpu_seconds_total", "CPU that the host used, user and system.");
  out->Add({}, use.cpu_seconds);
  out->Gauge("process_resident_memory_bytes", "Memory that the host has in RAM.");
  out->Add({}, use.resident_bytes);
  out->Gauge("process_virtual_memory_bytes", "Addresses that the host has in use.");
  out->Add({}, use.virtual_bytes);
  out->Gauge("process_open_fds", "Files and sockets that the host has open.");
  out->Add({}, use.open_fds);
  out->Gauge("process_max_fds", "Most files and sockets that it may have open.");
  out->Add({}, use.max_fds);
}

}  // namespace

std::string Exposition(const Snapshot& snapshot) {
  Families out;
  AddHost(snapshot, &out);
  AddBus(snapshot, &out);
  AddPublished(snapshot, &out);
  AddHttp(snapshot, &out);
  AddRefused(snapshot, &out);
  AddLineage(snapshot, &out);
  AddLaneCounts(snapshot, &out);
  AddLaneNow(snapshot, &out);
  AddPipelines(snapshot, &out);
  AddLaneBacklog(snapshot, &out);
  AddLaneTimes(snapshot, &out);
  AddPluginCounts(snapshot, &out);
  AddPluginNow(snapshot, &out);
  AddInstances(snapshot, &out);
  AddProcess(snapshot, &out);
  return out.Text();
}

}  // namespace outboard::metrics
