#pragma once

#include "absl/status/statusor.h"
#include "host/app/cli/verbs.h"
#include "host/conform/stand.h"

namespace outboard::app {

// The plugin that the flags of `conform` name, with its config and events read.
// INVALID_ARGUMENT says which flag is wrong and how to fix it.
absl::StatusOr<conform::Subject> SubjectFrom(const PluginOptions& options);

// True if one word names an address rather than a program: unix:/path, dns:///name:port,
// host:port.
bool IsAddress(const std::string& word);

}  // namespace outboard::app
