#include "host/event/uri.h"

#include "absl/strings/ascii.h"

namespace outboard {
namespace {

bool IsUriByte(char c) {
  if (!absl::ascii_isascii(static_cast<unsigned char>(c))) return true;
  if (c <= ' ' || c == 0x7F) return false;
  return absl::string_view("\"<>\\^`{|}").find(c) == absl::string_view::npos;
}

}  // namespace

bool IsUriReference(absl::string_view text) {
  for (const char c : text) {
    if (!IsUriByte(c)) return false;
  }
  return true;
}

bool IsAbsoluteUri(absl::string_view text) {
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  if (!absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) return false;
  for (const char c : text.substr(0, colon)) {
    const bool scheme =
        absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.';
    if (!scheme) return false;
  }
  return IsUriReference(text.substr(colon));
}

}  // namespace outboard
