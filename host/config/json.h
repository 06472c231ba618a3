#pragma once

#include <optional>
#include <string>

#include "host/config/value.h"

namespace outboard::config {

// `value`, a mapping, as the text of a JSON object in the order of the file. Types are those of
// YAML 1.2's core schema: a quoted number stays a string, numbers keep their digits, and what
// ${...} brings is a string unless a tag (!!int, !!float, !!bool) says otherwise. Reports and gives
// nothing for what JSON cannot say.
std::optional<std::string> ToJsonObject(const Value& value);

}  // namespace outboard::config
