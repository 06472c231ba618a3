#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/config/config.h"
#include "host/config/value.h"

namespace outboard::config {

// Warns of what a sandbox does not do, though one may count on it: keep a secret file covered that
// is replaced, or let a core file be written. `root` is the whole file; `plugins` as for
// CheckReferences.
void WarnOfSandboxes(const Config& config, const Value& root, const std::vector<Value>& plugins);

// Whether a core file of `plugin`, which works in `directory`, comes to nothing in its sandbox.
// `core_pattern` is that of the kernel; empty: unknown.
bool LosesCore(const Plugin& plugin, const std::string& directory, absl::string_view core_pattern);

}  // namespace outboard::config
