#pragma once

#include <string>

#include "host/config/config.h"

namespace outboard::config {

// The configuration in force, defaults filled in, as indented JSON under the keys of the file.
// Secrets that the log knows are replaced by "***", and so is what stands under keys such as
// password or token.
std::string DumpConfig(const Config& config);

}  // namespace outboard::config
