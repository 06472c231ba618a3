#include "host/config/expand.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "host/base/log.h"
#include "host/base/text.h"
#include "nlohmann/json.hpp"

namespace outboard::config {
namespace {

constexpr size_t kMaxSecretBytes = 64 << 10;
constexpr size_t kMinSecretLine = 8;

// The forms that a secret takes on its way out: as it is, as JSON text, line by line.
void Register(const std::string& secret) {
  AddLogSecret(secret);
  const std::string quoted = nlohmann::json(secret).dump();
  const std::string json = quoted.substr(1, quoted.size() - 2);
  if (json != secret) AddLogSecret(json);
  if (!absl::StrContains(secret, "\n")) return;
  for (const absl::string_view line : absl::StrSplit(secret, absl::ByAnyChar("\r\n"))) {
    if (line.size() >= kMinSecretLine) AddLogSecret(std::string(line));
  }
}

bool IsVariableName(absl::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    if (!(c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) {
      return false;
    }
  }
  return true;
}

// What a person could have printed and no reader of text could take.
bool IsText(absl::string_view value) {
  return IsValidUtf8(value) && value.find('\0') == absl::string_view::npos;
}

std::optional<std::string> FromFile(const Value& at, absl::string_view name) {
  const std::filesystem::path file =
      std::filesystem::path(at.reading().directory) / std::string(name);
  const std::string shown = EscapeForPeople(file.string());
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) {
    at.Problem(absl::StrCat(shown, " is a folder"), "name a file that holds the secret");
    return std::nullopt;
  }
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string value(kMaxSecretBytes + 1, '\0');
  in.read(value.data(), static_cast<std::streamsize>(value.size()));
  if (!in.eof() && !in.good()) {
    at.Problem(absl::StrCat("cannot read ", shown, ": ", std::strerror(errno)),
               "create the file, or let this user read it");
    return std::nullopt;
  }
  value.resize(static_cast<size_t>(in.gcount()));
  if (value.size() > kMaxSecretBytes) {
    at.Problem(absl::StrCat(shown, " is larger than 64 KiB"),
               "name a file that holds only the secret");
    return std::nullopt;
  }
  while (!value.empty() && (value.back() == '\n' || value.back() == '\r')) value.pop_back();
  if (!IsText(value)) {
    at.Problem(absl::StrCat(shown, " is not UTF-8 text"),
               "encode the secret, for example as base64");
    return std::nullopt;
  }
  Register(value);
  return value;
}

std::optional<std::string> FromEnvironment(const Value& at, absl::string_view inside,
                                           Secrecy secrecy) {
  const size_t split = inside.find(":-");
  const std::string name(inside.substr(0, split));
  if (!IsVariableName(name)) {
    at.Problem(
        absl::StrCat("\"", EscapeForPeople(Truncate(name, 60)), "\" is no name of a variable"),
        "write ${NAME}, ${NAME:-default} or ${file:PATH}, and $${ for a plain ${");
    return std::nullopt;
  }
  std::optional<std::string> value = at.reading().env(name);
  if (!value.has_value()) {
    if (split != absl::string_view::npos) return std::string(inside.substr(split + 2));
    at.Problem(absl::StrCat("environment variable ", name, " is not set"),
               absl::StrCat("set it, or write ${", name, ":-default}"));
    return std::nullopt;
  }
  if (!IsText(*value)) {
    at.Problem(absl::StrCat("environment variable ", name, " is not UTF-8 text"), "set it to text");
    return std::nullopt;
  }
  if (secrecy == Secrecy::kSecret) Register(*value);
  return value;
}

}  // namespace

bool HasExpansion(const Value& at) { return absl::StrContains(at.node().Scalar(), "${"); }

std::optional<std::string> Expand(const Value& at, Secrecy secrecy) {
  const std::string& scalar = at.node().Scalar();
  absl::string_view text = scalar;
  std::string out;
  bool ok = true;
  while (true) {
    const size_t dollar = text.find("${");
    absl::StrAppend(&out, text.substr(0, dollar));
    if (dollar == absl::string_view::npos) break;
    const bool escaped = dollar > 0 && text[dollar - 1] == '$';
    text.remove_prefix(dollar + 2);
    if (escaped) {
      out += '{';
      continue;
    }
    const size_t end = text.find('}');
    if (end == absl::string_view::npos) {
      at.Problem("${ without }", "close it, or write $${ for a plain ${");
      return std::nullopt;
    }
    absl::string_view inside = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::optional<std::string> value = absl::ConsumePrefix(&inside, "file:")
                                                 ? FromFile(at, inside)
                                                 : FromEnvironment(at, inside, secrecy);
    ok = ok && value.has_value();
    if (value.has_value()) out += *value;
  }
  return ok ? std::optional<std::string>(std::move(out)) : std::nullopt;
}

}  // namespace outboard::config
