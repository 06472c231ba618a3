#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace outboard::app {

// What differs between two texts, line by line: "  same", "- gone", "+ new"; of runs of same lines
// only those next to a difference. Empty: nothing does.
std::string LineDiff(absl::string_view before, absl::string_view after);

}  // namespace outboard::app
