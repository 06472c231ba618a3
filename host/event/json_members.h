#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outboard {

// One member of a JSON object.
struct JsonMember {
  std::string name;  // Unescaped.
  absl::string_view
      value;  // As it stands in the text, without blanks around it: payloads stay byte for byte.
};

// True if `text` is one well-formed JSON value in UTF-8.
bool IsJsonText(absl::string_view text);

// The text of a JSON string that is known to be well-formed, given with its quotes.
std::string UnquoteJson(absl::string_view quoted);

// The members of the JSON object `text`, in order, repeated names included. The values lie in
// `text`. INVALID_ARGUMENT with line and column if it is no well-formed JSON object.
absl::StatusOr<std::vector<JsonMember>> SplitJsonObject(absl::string_view text);

// The items of the JSON array `text`, in order; they lie in `text`. INVALID_ARGUMENT with line and
// column if it is no well-formed JSON array.
absl::StatusOr<std::vector<absl::string_view>> SplitJsonArray(absl::string_view text);

}  // namespace outboard
