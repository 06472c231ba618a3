#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/fleet/fleet.h"

namespace outboard::fleet {

// A connection to an instance at this address. NOT_FOUND: a file of its TLS cannot be read; they
// are read each time, so that new ones count from the next connection on.
absl::StatusOr<std::shared_ptr<plugin::Connection>> Connect(const PluginSpec& spec,
                                                            const std::string& address);

// What to do about an instance that did not say what it is. Keeps the code.
absl::Status NoDescription(const PluginSpec& spec, const std::string& address,
                           const absl::Status& why);

}  // namespace outboard::fleet
