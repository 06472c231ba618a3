#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "host/bus/bus.h"
#include "host/bus/rabbitmq/sources.h"

namespace outboard::bus::rabbitmq {

// INVALID_ARGUMENT: something that the lanes need cannot be called so on a broker; says what to
// change. Pure.
absl::Status CheckNames(const std::string& host, const std::string& replica, const Sources& sources,
                        const std::vector<LaneSpec>& lanes);

}  // namespace outboard::bus::rabbitmq
