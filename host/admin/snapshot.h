#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/access/tokens.h"
#include "host/base/clock.h"
#include "host/bus/bus.h"
#include "host/fleet/fleet.h"
#include "host/ingress/counters.h"
#include "host/lane/io.h"
#include "host/lineage/store.h"
#include "host/shard/status.h"

namespace outboard::admin {

struct PluginSnapshot {
  std::string name;
  fleet::PluginStatus fleet;
  shard::PluginStatus shard;
};

// A dead letter of a lane with `on_dead_letter: stop`.
struct StoppedBy {
  uint64_t dead_id = 0;
  std::string reason;
  std::string event_id;
};

struct LaneSnapshot {
  shard::LaneStatus lane;  // For an orphan only `name` and `state` ("orphan") are set.
  bus::LaneInfo bus;
  std::optional<StoppedBy> stopped_by = std::nullopt;  // The oldest one that stops it.
};

// Answers of the HTTP port by path ("/events", "/healthz", ..., "other") and status.
using HttpRequests = std::map<std::pair<std::string, unsigned>, uint64_t>;

// The state of a lane whose component has held its window at 0 for kLongPause while events waited:
// as good as broken, though nobody is killed for it.
inline constexpr char kPausedTooLong[] = "paused too long";
inline constexpr Duration kLongPause = std::chrono::minutes(5);

// Changed configs brought in force, or not, since the start of the host.
struct Reloads {
  uint64_t succeeded = 0;
  uint64_t failed = 0;
  bool last_succeeded = true;
  Time applied_at{};  // Of the config in force.
};

// As bus::Probation.
struct Probation {
  uint64_t left = 0;
  uint64_t convictions = 0;
};

// All that status, readiness and metrics tell about a running host, taken at one moment.
struct Snapshot {
  std::string host;
  std::string config_path;
  std::string http_address;
  std::string grpc_address;
  bool tls = false;
  std::string admin_socket;
  Time started_at{};
  Time now{};
  bool starting = false;  // Plugins and lanes are not known yet.
  bool draining = false;
  bus::BusInfo bus;
  std::string bus_problem;                       // Why the bus could not be asked; empty: it was.
  std::vector<PluginSnapshot> plugins;           // In the order of the config.
  std::vector<LaneSnapshot> lanes;               // In the order of the config, orphans last.
  std::vector<shard::PipelineStatus> pipelines;  // In the order of the config.
  std::vector<shard::PipelineStatus> ingress;    // As well.
  ingress::Counters published;
  Reloads reloads;
  Probation probation;
  HttpRequests http_requests;
  access::Refusals refused;
  lineage::Store::Counters lineage;
};

// Takes one; blocks for milliseconds. Any thread but shards' and the fleet's.
using TakeSnapshot = std::function<Snapshot()>;

}  // namespace outboard::admin
