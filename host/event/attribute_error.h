#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace outboard {

// `status`, which is an error, with the name of the attribute (or data, data_base64) that it is
// about, for those who show it in another way than by its message.
absl::Status AboutAttribute(absl::string_view name, absl::Status status);

// The name of that attribute; empty if the error is about none, or about the whole event. From
// outside, so of any bytes.
std::string AttributeOf(const absl::Status& status);

}  // namespace outboard
