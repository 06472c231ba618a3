#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "host/base/text.h"

namespace outboard::dialect {

// A text from a message or a config in an error: quoted, printable, not long.
inline std::string Shown(absl::string_view text) {
  return absl::StrCat("\"", Truncate(EscapeForPeople(text), 80), "\"");
}

}  // namespace outboard::dialect
