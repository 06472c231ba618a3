#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "host/base/clock.h"
#include "host/bus/bus.h"
#include "host/fleet/fleet.h"
#include "host/lane/io.h"
#include "host/shard/status.h"

namespace outboard::admin {

struct PluginSnapshot {
  std::string name;
  fleet::PluginStatus fleet;
  shard::PluginStatus shard;
};

struct LaneSnapshot {
  shard::LaneStatus lane;  // For an orphan only `name` and `state` ("orphan") are set.
  bus::LaneInfo bus;
};

// The publishers' side, since the start of the host.
struct PublishCounters {
  uint64_t confirmed = 0;
  uint64_t unmatched = 0;   // Of the confirmed ones: no lane took them.
  uint64_t refused = 0;     // Not valid.
  uint64_t failed = 0;      // The bus did not take them.
  lane::Durations confirm;  // Of requests, from their coming to the bus's answer.
};

// The state of a lane whose component has held its window at 0 for kLongPause while events waited:
// as good as broken, though nobody is killed for it.
inline constexpr char kPausedTooLong[] = "paused too long";
inline constexpr Duration kLongPause = std::chrono::minutes(5);

// All that status, readiness and metrics tell about a running host, taken at one moment.
struct Snapshot {
  std::string host;
  std::string config_path;
  std::string http_address;
  std::string admin_socket;
  Time started_at{};
  Time now{};
  bool starting = false;  // Plugins and lanes are not known yet.
  bool draining = false;
  bus::BusInfo bus;
  std::string bus_problem;              // Why the bus could not be asked; empty: it was.
  std::vector<PluginSnapshot> plugins;  // In the order of the config.
  std::vector<LaneSnapshot> lanes;      // In the order of the config, orphans last.
  PublishCounters published;
};

// Takes one; blocks for milliseconds. Any thread but shards' and the fleet's.
using TakeSnapshot = std::function<Snapshot()>;

}  // namespace outboard::admin
