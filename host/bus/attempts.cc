#include "host/bus/attempts.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "host/base/text.h"

namespace outboard::bus {
namespace {

constexpr size_t kMaxName = 80;
constexpr size_t kMaxMessage = 200;

std::string TextOf(const nlohmann::json& line, const char* name) {
  const auto it = line.find(name);
  return it != line.end() && it->is_string() ? it->get<std::string>() : "";
}

}  // namespace

std::string ToHistory(const std::vector<Attempt>* tried) {
  std::string lines;
  if (tried == nullptr) return lines;
  for (const Attempt& attempt : *tried) {
    nlohmann::json line = {{"at_us", attempt.at.time_since_epoch().count()},
                           {"outcome", attempt.outcome},
                           {"reason", Truncate(attempt.reason, kMaxName)},
                           {"message", Truncate(attempt.message, kMaxMessage)},
                           {"version", Truncate(attempt.version, kMaxName)}};
    lines += line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
  }
  return AddHistory("", lines);
}

std::string AddHistory(std::string history, absl::string_view lines) {
  history.append(lines.data(), lines.size());
  if (history.size() <= kMaxHistory) return history;
  const size_t end = history.find('\n', history.size() - kMaxHistory - 1);
  return end == std::string::npos ? "" : history.substr(end + 1);
}

std::vector<Attempt> FromHistory(absl::string_view history) {
  std::vector<Attempt> attempts;
  for (const absl::string_view text : absl::StrSplit(history, '\n', absl::SkipEmpty())) {
    const nlohmann::json line =
        nlohmann::json::parse(text.data(), text.data() + text.size(), nullptr, false);
    if (!line.is_object() || !line.contains("at_us") || !line["at_us"].is_number_integer())
      continue;
    attempts.push_back({Time(Duration(line["at_us"].get<int64_t>())), TextOf(line, "outcome"),
                        TextOf(line, "reason"), TextOf(line, "message"), TextOf(line, "version")});
  }
  return attempts;
}

}  // namespace outboard::bus
