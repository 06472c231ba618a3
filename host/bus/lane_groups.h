#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "host/bus/bus.h"

namespace outboard::bus {

// ALREADY_EXISTS: two lanes of one name. INVALID_ARGUMENT: a lane without a name, or a bad topic
// pattern.
absl::Status CheckLanes(const std::vector<LaneSpec>& lanes);

// For each lane the index of the first lane that it shares a queue with (its own index if none):
// singleton lanes of one filter are one queue, everything else stands alone.
std::vector<size_t> GroupLanes(const std::vector<LaneSpec>& lanes);

// True if an event of this source and type is for a lane with these filters.
bool AnyMatches(const std::vector<route::Filter>& filters, absl::string_view source,
                absl::string_view type);

}  // namespace outboard::bus
