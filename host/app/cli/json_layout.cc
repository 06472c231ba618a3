#include "host/app/cli/json_layout.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace outboard::app {
namespace {

// Deeper levels begin where this one does: what is nested without end must not grow without end.
constexpr size_t kMaxLevel = 64;

std::string LayOut(absl::string_view json, bool pretty) {
  std::string out;
  size_t level = 0;
  const auto new_line = [&] {
    if (pretty) out.append("\n").append(2 * std::min(level, kMaxLevel), ' ');
  };
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    const bool closes = c == '}' || c == ']';
    if (closes) --level;
    // What is empty stays on its line.
    const bool after_opening = !out.empty() && (out.back() == '{' || out.back() == '[');
    if (after_opening != closes) new_line();
    size_t size = 1;
    if (c == '"') {
      while (json[i + size] != '"') size += json[i + size] == '\\' ? 2 : 1;
      ++size;
    }
    absl::StrAppend(&out, json.substr(i, size));
    i += size - 1;
    if (c == '{' || c == '[') ++level;
    if (c == ',') new_line();
    if (c == ':' && pretty) out += ' ';
  }
  return out;
}

}  // namespace

std::string PrettyJson(absl::string_view json) { return LayOut(json, true); }

std::string CompactJson(absl::string_view json) { return LayOut(json, false); }

}  // namespace outboard::app
