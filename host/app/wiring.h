#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "host/bus/bus.h"
#include "host/config/config.h"
#include "host/fleet/fleet.h"
#include "host/shard/shard.h"

namespace outboard::app {

// The bus that the configuration asks for, opened.
absl::StatusOr<std::unique_ptr<bus::Bus>> OpenBus(const config::Config& config, const Clock* clock);

// One lane for each route and target, in the order of the file; LaneIds are positions in it.
std::vector<bus::LaneSpec> LaneSpecs(const config::Config& config);

fleet::FleetOptions FleetOptions(const config::Config& config);

// All lanes of a plugin are on one shard; plugins take shards in turn.
std::vector<shard::ShardOptions> ShardOptions(const config::Config& config);
size_t ShardOf(const config::Config& config, fleet::PluginId plugin);

}  // namespace outboard::app
