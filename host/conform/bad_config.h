#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace outboard::conform {

// A config like `config_json` that the schema (draft 4) refuses: a value of another type, an
// unknown key, or nothing at all. Nothing where no such config was found, or there is no schema.
std::optional<std::string> ConfigAgainst(absl::string_view schema_json,
                                         absl::string_view config_json);

}  // namespace outboard::conform
