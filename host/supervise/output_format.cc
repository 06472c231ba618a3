#include "host/supervise/output_format.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/text.h"

namespace outboard::supervise {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxFields = 32;
constexpr int kMaxDepth = 32;

// A cheap upper bound: brackets in texts count too. The parser's tree is written out by recursion.
bool IsTooDeep(absl::string_view line) {
  int depth = 0;
  for (const char c : line) {
    if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

LogLevel ParseLevel(absl::string_view text) {
  const std::string level = absl::AsciiStrToLower(text);
  const auto is = [&](std::initializer_list<absl::string_view> names) {
    return std::find(names.begin(), names.end(), level) != names.end();
  };
  if (is({"trace", "debug"})) return LogLevel::kDebug;
  if (is({"warn", "warning"})) return LogLevel::kWarning;
  if (is({"error", "err", "critical", "crit", "alert", "emerg", "fatal", "panic"})) {
    return LogLevel::kError;
  }
  return LogLevel::kInfo;
}

// A name that can stand as key=value in a text log.
std::string FieldName(absl::string_view name) {
  static constexpr std::array<absl::string_view, 10> kOurs = {
      "time", "level", "module", "message", "plugin", "instance", "stream", "cut_bytes", "pid", ""};
  std::string clean = EscapeForPeople(Truncate(RedactSecrets(name), 64));
  for (char& c : clean) {
    if (c == ' ' || c == '=' || c == '"' || c == '\t' || c == '\\') c = '_';
  }
  const bool ours = std::find(kOurs.begin(), kOurs.end(), absl::string_view(clean)) != kOurs.end();
  return ours ? absl::StrCat("plugin_", clean) : clean;
}

std::optional<Json> ParseStructured(absl::string_view line) {
  const absl::string_view text = absl::StripAsciiWhitespace(line);
  if (text.empty() || text.front() != '{' || text.back() != '}' || IsTooDeep(text))
    return std::nullopt;
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  for (const char* name : {"level", "message"}) {
    const auto it = json.find(name);
    if (it == json.end() || !it->is_string()) return std::nullopt;
  }
  return json;
}

}  // namespace

OutputRecord FormatOutput(absl::string_view line) {
  OutputRecord record;
  const std::optional<Json> json = ParseStructured(line);
  if (!json.has_value()) {
    record.message = std::string(line);
    return record;
  }
  size_t left_out = 0;
  for (const auto& [name, value] : json->items()) {
    if (name == "level") {
      record.level = ParseLevel(value.get_ref<const std::string&>());
    } else if (name == "message") {
      record.message = value.get_ref<const std::string&>();
    } else if (record.fields.size() >= kMaxFields) {
      ++left_out;
    } else {
      record.fields.emplace_back(
          FieldName(name), value.is_string() ? value.get_ref<const std::string&>() : value.dump());
    }
  }
  if (left_out > 0) record.fields.emplace_back("fields_left_out", absl::StrCat(left_out));
  return record;
}

}  // namespace outboard::supervise
