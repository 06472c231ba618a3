#pragma once

#include "absl/strings/string_view.h"

namespace outboard {

// True if `text`, which is well-formed UTF-8, can be a URI reference: no space, no control
// character, none of the ASCII characters that RFC 3986 leaves out. Characters beyond ASCII pass
// (an IRI).
bool IsUriReference(absl::string_view text);

// The same of an absolute URI: it starts with a scheme, and something follows.
bool IsAbsoluteUri(absl::string_view text);

}  // namespace outboard
