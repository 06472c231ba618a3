#pragma once

#include <string>

#include "absl/status/status.h"
#include "host/supervise/cgroups.h"
#include "host/supervise/program.h"

namespace outboard::supervise {

// Whether `spec` can have what it requires here: runs the launcher with its limits and sandbox, but
// without the program. OK at once where it requires nothing. FAILED_PRECONDITION and
// INVALID_ARGUMENT say what cannot be had and the fix. Blocks for tens of milliseconds.
absl::Status TryIsolation(const std::string& launcher, const ProgramSpec& spec,
                          const Cgroups& cgroups);

}  // namespace outboard::supervise
