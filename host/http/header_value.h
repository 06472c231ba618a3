#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outboard::http {

// The text of an attribute in the value of its ce- header, as the CloudEvents HTTP binding has it:
// quotes are taken off, then %XX is decoded once. INVALID_ARGUMENT says what is wrong and the fix.
absl::StatusOr<std::string> DecodeHeaderValue(absl::string_view value);

}  // namespace outboard::http
