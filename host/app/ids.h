#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "host/app/paused_lanes.h"
#include "host/config/config.h"
#include "host/fleet/fleet.h"
#include "host/shard/shard.h"

namespace outboard::app {

std::string LaneName(const config::Route& route, const config::Target& target);

// Stages that a call, or a publisher's event, goes through: of a pipeline, or of the ingress.
struct Chain {
  std::string name;
  const std::vector<config::Stage>* stages;
};

// Pipelines, then the entries of the ingress.
std::vector<Chain> ChainsOf(const config::Config& config);

// What the parts of a config are called inside the host. What a changed config has in common with
// the former one keeps its ids, and no id ever means something else.
struct Ids {
  struct Plugin {
    fleet::PluginId id = 0;
    size_t shard = 0;
    std::vector<shard::ComponentOptions> components;  // By lane::ComponentId.
  };
  struct Lane {
    std::string made_of;            // What of it cannot change without new ids.
    std::vector<bus::LaneId> hops;  // Its stages in order, then its target.
    bus::LaneId id = 0;             // Of its first hop, and of the whole lane.
  };
  struct Chain {
    std::string made_of;
    std::vector<bus::LaneId> stages;
    size_t shard = 0;
    size_t position = 0;  // In the ShardOptions::pipelines of its shard.
  };

  std::map<std::string, Plugin> plugins;  // Also those that left and may come back.
  std::map<std::string, Lane> lanes;      // By name.
  std::vector<Chain> chains;              // As ChainsOf.
  bus::LaneId next_lane = 0;
  std::vector<size_t> next_position;  // By shard.
};

// Ids for `config`, as far as possible those of `former`, which is empty for the first one. Plugins
// between which events or calls go are on one shard. FAILED_PRECONDITION: two that are on different
// shards would have to be on one.
absl::StatusOr<Ids> AssignIds(const config::Config& config, const Ids& former);

// `before`, with nothing left that `tried` used: for the next config, where `tried` did not come in
// force.
Ids Spend(const Ids& before, const Ids& tried);

// What a host runs.
struct Setup {
  config::Config config;
  Ids ids;
  PausedLanes lanes;  // By name; also such as are not there.
};

}  // namespace outboard::app
