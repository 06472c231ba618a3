#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/fleet/fleet.h"
#include "host/lane/io.h"
#include "host/pipeline/walks.h"

namespace outboard::shard {

// One stage of a lane.
struct StageStatus {
  std::string stage;  // As configured.
  std::string state;  // As that of a lane.
  lane::LaneStats stats;
  bool observes = false;
  uint64_t missed = 0;  // Copies that an observer had no room for.
};

// As in lane::LaneStats.
struct LaneStops {
  bool stopped = false;
  uint64_t stops = 0;
  uint64_t dying = 0;
};

struct LaneStatus {
  lane::LaneId id = 0;
  std::string name;
  std::string route;
  std::string target;
  std::string state;                 // As outboard.host.v1.LaneStatus.state.
  std::optional<Time> paused_since;  // "paused": since when.
  lane::LaneStats stats;
  std::vector<StageStatus> stages;                 // In order; without the target.
  uint64_t abandoned = 0;                          // Deliveries that a drain left unsettled.
  std::map<std::string, uint64_t> dead_by_reason;  // At most kMaxReasons, then "other".
};

struct PipelineStatus {
  std::string name;
  pipeline::Stats stats;
  std::vector<StageStatus> stages;  // In order; the last one is the controller.
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
  std::vector<PipelineStatus> pipelines;
  bool draining = false;
};

// An event that is with a lane now.
struct LaneEvent {
  std::string lane;
  std::string component;  // As configured: the target, or a stage before it.
  lane::EventView view;
};

inline constexpr size_t kMaxReasons = 32;

}  // namespace outboard::shard
