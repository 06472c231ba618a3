#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "host/app/ids.h"
#include "host/bus/bus.h"
#include "host/bus/probation.h"
#include "host/config/config.h"
#include "host/fleet/fleet.h"
#include "host/shard/shard.h"

namespace outboard::app {

// The bus that the configuration asks for, opened.
absl::StatusOr<std::unique_ptr<bus::Bus>> OpenBus(const config::Config& config, const Clock* clock,
                                                  bus::Probation* probation);

// What is wrong with `bus.kind: rabbitmq` and its lanes that needs no broker to be known.
absl::Status CheckRabbitmq(const config::Config& config);
// What deliveries become on the broker of `bus.kind: rabbitmq`, which is asked and not changed.
// UNAVAILABLE: it cannot be reached; other errors: a host could not use it. Blocks for about 5
// seconds at most.
absl::StatusOr<bus::SettlementInfo> AskBroker(const config::Config& config);
// The same as far as the configuration alone says it.
bus::SettlementInfo PlanWithoutBroker(const config::Config& config);

// One lane for each route and target, in the order of the file.
std::vector<bus::LaneSpec> LaneSpecs(const config::Config& config);

// The plugins in the order of the file.
fleet::FleetOptions FleetOptions(const config::Config& config);

// One for each shard. At positions of pipelines that left there are ones without stages.
std::vector<shard::ShardOptions> ShardOptions(const Setup& setup);

}  // namespace outboard::app
