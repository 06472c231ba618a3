#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "host/base/text.h"

namespace outboard::conform {

// "OK", "NOT_FOUND: no component x". The codes of gRPC are those of Abseil.
inline std::string StatusWords(int code, const std::string& message) {
  const std::string name = absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
  return message.empty() ? name : absl::StrCat(name, ": ", EscapeForPeople(message));
}

}  // namespace outboard::conform
