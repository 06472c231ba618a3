#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "host/event/timestamp.h"

namespace outboard::event_wire {

// What is wrong with the encoded AttributeValue, and how to mend it; null if nothing is. Exactly
// one value, of a known kind, in its range, well-formed UTF-8 where it is text. On an error, *at is
// where it lies.
const char* FindValueProblem(absl::string_view value, const char** at);

// The same of an encoded google.protobuf.Timestamp, which is decoded to *t.
const char* DecodeTimestamp(absl::string_view message, Timestamp* t, const char** at);

// The CloudEvents text form of an encoded AttributeValue; nothing if FindValueProblem finds one in
// its structure.
std::optional<std::string> ValueText(absl::string_view value);

}  // namespace outboard::event_wire
