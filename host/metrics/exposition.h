#pragma once

#include <string>

#include "host/admin/snapshot.h"

namespace outboard::metrics {

// The content type of Exposition().
inline constexpr char kContentType[] = "text/plain; version=0.0.4; charset=utf-8";

// All metrics in the text format of Prometheus: what the snapshot says, and what this process uses.
// docs/reference/metrics.md describes them; counters are kept where things happen, so nothing is
// paid before someone asks. What the bus did not tell (Snapshot::bus_problem) is left out.
std::string Exposition(const admin::Snapshot& snapshot);

}  // namespace outboard::metrics
