#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace outboard::plugin {

// What is wrong with a plugin's config by the JSON Schema (draft 4) that the plugin itself gave:
// one text each, beginning with the JSON Pointer of the fault. Empty: nothing, or no schema. A
// schema that is no JSON is one problem, too: the plugin's own.
std::vector<std::string> CheckAgainstSchema(absl::string_view config_json,
                                            absl::string_view schema_json);

}  // namespace outboard::plugin
