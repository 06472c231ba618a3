#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace outboard::app {

// One well-formed JSON value with other blanks between its tokens. The tokens stay as they are:
// numbers to the last digit, texts with their escapes, members in their order.

// On lines of their own, two spaces for each level.
std::string PrettyJson(absl::string_view json);
// Without any.
std::string CompactJson(absl::string_view json);

}  // namespace outboard::app
