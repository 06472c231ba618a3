#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/access/caller.h"

namespace outboard::access {

struct Grant {
  Caller caller;
  std::string token;
};

// A file of tokens: lines of NAME ROLE TOKEN and, of role publish, patterns of types. Blank lines
// and those that begin with # are free. A name may have several tokens. At least one line.
//   INVALID_ARGUMENT: which line, what and how to write it; never any token.
absl::StatusOr<std::vector<Grant>> ParseTokens(absl::string_view text, const std::string& path);

// A file that holds one token and nothing else. As above.
absl::StatusOr<std::string> ParseToken(absl::string_view text, const std::string& path);

// The token of "Bearer TOKEN", any case of the first word; empty: it has none.
absl::string_view BearerToken(absl::string_view authorization);

// Takes as long whatever the first difference is.
bool SameToken(absl::string_view a, absl::string_view b);

}  // namespace outboard::access
