#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "host/app/cli/time_text.h"
#include "host/app/cli/verbs.h"

namespace outboard::app {

// The filter that ids and flags make. INVALID_ARGUMENT names the flag that is wrong. `now`: that
// ages are counted back from.
absl::StatusOr<host::v1::DeadFilter> MakeFilter(const DeadOptions& options, absl::Time now);

// The same; nothing after telling what is wrong, exit_code() says it too.
bool MakeFilter(const DeadOptions& options, Client* client, host::v1::DeadFilter* filter);

// False after telling that neither ids nor filters or --all say which.
bool SaysWhich(const DeadOptions& options, Client* client);

// Whether it takes less than all.
bool Narrows(const host::v1::DeadFilter& filter);

// "3 dead letters", "1 dead letter".
std::string CountOfDead(uint64_t n);

}  // namespace outboard::app
