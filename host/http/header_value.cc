#include "host/http/header_value.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/base/text.h"

namespace outboard::http {
namespace {

// "a \"b\"" without its quotes and backslashes; the value as it is where it does not begin with a
// quote.
absl::StatusOr<std::string> Unquote(absl::string_view value) {
  if (value.empty() || value[0] != '"') return std::string(value);
  std::string out;
  for (size_t i = 1; i < value.size(); ++i) {
    if (value[i] == '"') {
      if (i + 1 == value.size()) return out;
      break;
    }
    if (value[i] == '\\' && ++i == value.size()) break;
    out += value[i];
  }
  return absl::InvalidArgumentError(
      "begins with a quote that does not end with it; write a quote as %22");
}

int HexDigit(char c) {
  if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return -1;
  if (absl::ascii_isdigit(static_cast<unsigned char>(c))) return c - '0';
  return absl::ascii_tolower(static_cast<unsigned char>(c)) - 'a' + 10;
}

}  // namespace

absl::StatusOr<std::string> DecodeHeaderValue(absl::string_view value) {
  OUTBOARD_ASSIGN_OR_RETURN(const std::string text, Unquote(value));
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
    if (low < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "has a % without two hexadecimal digits at character ", i + 1, "; write % as %25"));
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (!IsValidUtf8(out)) {
    return absl::InvalidArgumentError(
        "is not well-formed UTF-8; percent-encode each byte of its UTF-8");
  }
  return out;
}

}  // namespace outboard::http
