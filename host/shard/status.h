#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/fleet/fleet.h"
#include "host/lane/io.h"

namespace outboard::shard {

struct LaneStatus {
  lane::LaneId id = 0;
  std::string name;
  std::string route;
  std::string target;
  std::string state;                 // As outboard.host.v1.LaneStatus.state.
  std::optional<Time> paused_since;  // "paused": since when.
  lane::LaneStats stats;
  uint64_t abandoned = 0;                          // Deliveries that a drain left unsettled.
  std::map<std::string, uint64_t> dead_by_reason;  // At most kMaxReasons, then "other".
};

struct InstanceLoad {
  fleet::InstanceUid uid = 0;
  uint64_t in_flight = 0;
};

struct PluginStatus {
  fleet::PluginId id = 0;
  lane::CircuitState circuit = lane::CircuitState::kClosed;
  std::string circuit_reason;
  std::vector<lane::SuspectView> suspects;
  std::vector<InstanceLoad> loads;
  uint64_t late_answers = 0;
  uint64_t protocol_errors = 0;
  uint64_t suspected = 0;
  uint64_t convictions = 0;
  uint64_t circuit_openings = 0;
  std::map<std::string, std::string> disabled;  // Component, reason.
  std::string problem;  // Why a component of it cannot be used, with the fix.
};

// What a shard is and has done; in the order of the config.
struct Status {
  std::vector<LaneStatus> lanes;
  std::vector<PluginStatus> plugins;
  bool draining = false;
};

inline constexpr size_t kMaxReasons = 32;

}  // namespace outboard::shard
