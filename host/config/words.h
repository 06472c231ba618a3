#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outboard::config {

// A command line cut into its words: blanks separate, '…' and "…" keep together, \ takes the next
// character as it is. No shell: nothing else has a meaning. INVALID_ARGUMENT for an open quote, or
// a word that only a shell knows.
absl::StatusOr<std::vector<std::string>> SplitWords(absl::string_view line);

}  // namespace outboard::config
