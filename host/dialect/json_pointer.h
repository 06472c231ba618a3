#pragma once

#include <optional>

#include "absl/strings/string_view.h"

namespace outboard::dialect {

// True if `text` is a JSON Pointer (RFC 6901): empty, or "/" before every word, "~" only in "~0"
// and "~1".
bool IsJsonPointer(absl::string_view text);

// The value that `pointer` leads to in `json`, as it stands in the text, without blanks around it;
// nothing if there is none. Of members with the same name the last counts, as for most parsers.
// `json` must be well-formed (IsJsonText), `pointer` a JSON Pointer. Builds nothing.
std::optional<absl::string_view> FindJson(absl::string_view json, absl::string_view pointer);

}  // namespace outboard::dialect
