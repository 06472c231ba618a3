#pragma once

#include <string>

#include "host/config/config.h"
#include "nlohmann/json.hpp"

namespace outboard::config {

// The configuration in force, defaults filled in, as indented JSON under the keys of the file.
// Secrets that the log knows are replaced by "***", and so is what stands under keys such as
// password or token.
std::string DumpConfig(const Config& config);

// The same with its secrets: for comparison, not for people.
nlohmann::ordered_json ConfigAsJson(const Config& config);
// `secret`: it stands under a key whose name says so.
nlohmann::ordered_json HideSecrets(const nlohmann::ordered_json& value, bool secret);

}  // namespace outboard::config
