#include "host/config/scalar.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "host/base/text.h"
#include "host/config/units.h"

namespace outboard::config {
namespace {

// The expanded text of a scalar, or nothing after a report.
std::optional<std::string> Scalar(const Value& value, Secrecy secrecy, absl::string_view wanted) {
  if (!value.node().IsScalar()) {
    value.Problem(absl::StrCat("needs ", wanted, ", not ", value.Shown()));
    return std::nullopt;
  }
  return Expand(value, secrecy);
}

}  // namespace

void ReadText(const Value& value, Secrecy secrecy, std::string* out) {
  if (std::optional<std::string> text = Scalar(value, secrecy, "text")) *out = *std::move(text);
}

bool IsName(absl::string_view text, bool dots) {
  if (text.empty() || text.size() > 63 ||
      !absl::ascii_isalnum(static_cast<unsigned char>(text[0]))) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [dots](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' ||
           (dots && c == '.');
  });
}

void ReadName(const Value& value, bool dots, std::string* out) {
  const std::optional<std::string> text = Scalar(value, Secrecy::kOpen, "a name");
  if (!text.has_value()) return;
  if (IsName(*text, dots)) {
    *out = *text;
    return;
  }
  value.Problem(absl::StrCat(value.Shown(), " is no name"),
                absl::StrCat("use letters, digits, - and _", dots ? " and ." : "",
                             ", at most 63, beginning with a letter or digit"));
}

void ReadBool(const Value& value, bool* out) {
  const std::optional<std::string> text = Scalar(value, Secrecy::kOpen, "true or false");
  if (!text.has_value()) return;
  if (*text == "true" || *text == "false") {
    *out = *text == "true";
  } else {
    value.Problem(absl::StrCat("needs true or false, not ", value.Shown()));
  }
}

void ReadCount(const Value& value, uint32_t min, uint32_t max, uint32_t* out) {
  const std::string range = absl::StrCat("a whole number from ", min, " to ", max);
  const std::optional<std::string> text = Scalar(value, Secrecy::kOpen, range);
  if (!text.has_value()) return;
  uint64_t number = 0;
  const bool digits = !text->empty() && std::all_of(text->begin(), text->end(),
                                                    [](char c) { return c >= '0' && c <= '9'; });
  if (digits && absl::SimpleAtoi(*text, &number) && number >= min && number <= max) {
    *out = static_cast<uint32_t>(number);
  } else {
    value.Problem(absl::StrCat("needs ", range, ", not ", value.Shown()));
  }
}

void ReadDuration(const Value& value, Duration min, Duration* out) {
  const std::optional<std::string> text = Scalar(value, Secrecy::kOpen, "a duration");
  if (!text.has_value()) return;
  const absl::StatusOr<Duration> duration = ParseDuration(*text);
  if (!duration.ok()) {
    value.Problem(absl::StrCat(value.Shown(), " is no duration"),
                  "write a number and a unit: 500ms, 1s, 5m, 2h or 7d");
  } else if (*duration < min) {
    value.Problem(absl::StrCat(value.Shown(), " is too short"),
                  absl::StrCat("give at least ", FormatDuration(min)));
  } else {
    *out = *duration;
  }
}

void ReadSize(const Value& value, uint64_t min, uint64_t max, uint64_t* out) {
  const std::optional<std::string> text = Scalar(value, Secrecy::kOpen, "a size");
  if (!text.has_value()) return;
  const absl::StatusOr<uint64_t> size = ParseSize(*text);
  if (!size.ok()) {
    value.Problem(absl::StrCat(value.Shown(), " is no size"),
                  "write bytes, or a number and KiB, MiB, GiB or TiB, as in 64MiB");
  } else if (*size < min || *size > max) {
    value.Problem(absl::StrCat(value.Shown(), " is out of range"),
                  absl::StrCat("give ", FormatSize(min), " to ", FormatSize(max)));
  } else {
    *out = *size;
  }
}

void ReadPath(const Value& value, std::string* out) {
  const std::optional<std::string> text = Scalar(value, Secrecy::kOpen, "a path");
  if (!text.has_value()) return;
  if (text->empty()) {
    value.Problem("needs a path, not nothing", "give one, or remove the key");
    return;
  }
  std::filesystem::path path =
      (std::filesystem::path(value.reading().directory) / *text).lexically_normal();
  if (!path.has_filename() && path.has_parent_path() && path != path.root_path()) {
    path = path.parent_path();
  }
  *out = path.string();
}

bool LiesIn(absl::string_view folder, absl::string_view path) {
  return absl::ConsumePrefix(&path, folder) &&
         (path.empty() || path[0] == '/' || absl::EndsWith(folder, "/"));
}

bool IsHostPort(absl::string_view text, bool port_zero) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) return false;
  const absl::string_view host = text.substr(0, colon);
  const absl::string_view port = text.substr(colon + 1);
  const bool v6 = host.front() == '[' && host.back() == ']' && host.size() > 3;
  if (!v6 && host.find_first_of("[]:/ \t") != absl::string_view::npos) return false;
  uint32_t number = 0;
  if (port.empty() || port.size() > 5 ||
      !absl::ascii_isdigit(static_cast<unsigned char>(port[0])) ||
      !absl::SimpleAtoi(port, &number)) {
    return false;
  }
  return number <= 65535 && (port_zero || number > 0);
}

bool IsLoopback(absl::string_view address) {
  return absl::StartsWith(address, "127.") || absl::StartsWith(address, "localhost:") ||
         absl::StartsWith(address, "[::1]:");
}

std::vector<Value> ReadItems(const Value& value) {
  std::vector<Value> items;
  if (!value.node().IsSequence()) return {value};
  for (size_t i = 0; i < value.node().size(); ++i) items.push_back(value.At(i));
  return items;
}

int ReadChoiceIndex(const Value& value, const std::vector<std::string>& choices) {
  const std::string list = absl::StrJoin(choices, ", ");
  const std::optional<std::string> text =
      Scalar(value, Secrecy::kOpen, absl::StrCat("one of ", list));
  if (!text.has_value()) return -1;
  const auto it = std::find(choices.begin(), choices.end(), *text);
  if (it != choices.end()) return static_cast<int>(it - choices.begin());
  const std::string near = Nearest(*text, choices);
  value.Problem(absl::StrCat("unknown value ", value.Shown()),
                near.empty() ? absl::StrCat("use one of ", list)
                             : absl::StrCat("did you mean ", near, "? It is one of ", list));
  return -1;
}

}  // namespace outboard::config
