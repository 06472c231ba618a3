#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace outboard::route {

// Which events a lane takes.
struct Filter {
  std::string service;             // Matches the event's source exactly; empty: any source.
  std::vector<std::string> types;  // Topic patterns on the event's type; empty: all types.

  friend bool operator==(const Filter&, const Filter&) = default;
};

// True if the topic `pattern` (words between dots; * is one word, # any number of words, also none)
// takes `type`.
bool TopicMatches(absl::string_view pattern, absl::string_view type);

// INVALID_ARGUMENT if `pattern` is empty or mixes a wildcard with other characters in one word;
// says how to fix it.
absl::Status ValidatePattern(absl::string_view pattern);

// True if the filter takes an event of this source and type.
bool Matches(const Filter& filter, absl::string_view source, absl::string_view type);

}  // namespace outboard::route
