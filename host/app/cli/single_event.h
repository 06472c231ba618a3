#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "host/app/cli/verbs.h"
#include "host/event/event.h"

namespace outboard::app {

// A random UUID (version 4).
std::string NewUuid();

// The event that the flags describe. INVALID_ARGUMENT names the flag. `data` is what --data or
// --data-file brought.
absl::StatusOr<Event> EventFromFlags(const PublishOptions& options, const std::string& data,
                                     bool has_data);

// The event of one line of CloudEvents JSON; one without an id gets a fresh UUID.
absl::StatusOr<Event> EventFromLine(const std::string& line);

}  // namespace outboard::app
