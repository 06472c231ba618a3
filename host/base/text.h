#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace outboard {

// True if `text` is well-formed UTF-8 (no surrogates, no overlong forms).
bool IsValidUtf8(absl::string_view text);

// `text` with every byte that is not part of well-formed UTF-8, and every control character but
// tab, as \xNN.
std::string EscapeForPeople(absl::string_view text);

// `text` cut to at most `max_bytes` at a character boundary, with "…" in place of what was cut
// (empty where not even that fits).
std::string Truncate(absl::string_view text, size_t max_bytes);

// The candidate nearest to `word` if it is near enough for a "did you mean", else empty.
std::string Nearest(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace outboard
