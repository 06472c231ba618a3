#include "host/access/token_file.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/base/status.h"
#include "host/route/filter.h"

namespace outboard::access {
namespace {

constexpr size_t kMinToken = 16;
constexpr size_t kMaxToken = 1024;  // An authorization header has to fit beside the others.
constexpr char kForm[] = "write NAME ROLE TOKEN, the role read, publish or operate";

// What may stand behind "Bearer" (RFC 6750).
bool IsTokenByte(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("-._~+/=", c);
}

absl::Status CheckToken(absl::string_view token) {
  if (token.size() < kMinToken || token.size() > kMaxToken) {
    return absl::InvalidArgumentError(absl::StrCat("its token has ", token.size(), " bytes: give ",
                                                   kMinToken, " to ", kMaxToken,
                                                   ", as `openssl rand -hex 32` makes them"));
  }
  if (!std::all_of(token.begin(), token.end(), IsTokenByte)) {
    return absl::InvalidArgumentError(
        "its token has other bytes than letters, digits and -._~+/=: make one with `openssl rand "
        "-hex 32`");
  }
  return absl::OkStatus();
}

std::optional<Role> RoleOf(absl::string_view word) {
  for (const Role role : {Role::kRead, Role::kPublish, Role::kOperate}) {
    if (word == RoleName(role)) return role;
  }
  return std::nullopt;
}

absl::StatusOr<Grant> ParseLine(const std::vector<std::string>& words, const std::string& path) {
  if (words.size() < 3) return absl::InvalidArgumentError(kForm);
  const std::optional<Role> role = RoleOf(words[1]);
  if (!role) return absl::InvalidArgumentError(absl::StrCat("has no role: ", kForm));
  OUTBOARD_RETURN_IF_ERROR(CheckToken(words[2]));
  Grant grant{{words[0], *role, {words.begin() + 3, words.end()}, "its line in " + path}, words[2]};
  if (!grant.caller.types.empty() && role != Role::kPublish) {
    return absl::InvalidArgumentError(
        "has more than NAME ROLE TOKEN: only role publish may name types behind that");
  }
  for (const std::string& pattern : grant.caller.types)
    OUTBOARD_RETURN_IF_ERROR(route::ValidatePattern(pattern));
  return grant;
}

}  // namespace

absl::StatusOr<std::vector<Grant>> ParseTokens(absl::string_view text, const std::string& path) {
  std::vector<Grant> grants;
  std::set<std::string> seen;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty() || words[0][0] == '#') continue;
    absl::StatusOr<Grant> grant = ParseLine(words, path);
    if (grant.ok() && !seen.insert(grant->token).second)
      grant = absl::InvalidArgumentError("has the token of a line above: make one of its own");
    if (!grant.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": line ", number, ": ", grant.status().message()));
    }
    grants.push_back(*std::move(grant));
  }
  if (grants.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": no token: ", kForm));
  return grants;
}

absl::StatusOr<std::string> ParseToken(absl::string_view text, const std::string& path) {
  const absl::string_view token = absl::StripAsciiWhitespace(text);
  const absl::Status status = CheckToken(token);
  if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ": ", status.message()));
  return std::string(token);
}

absl::string_view BearerToken(absl::string_view authorization) {
  constexpr absl::string_view kScheme = "bearer ";
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) return "";
  return absl::StripAsciiWhitespace(authorization.substr(kScheme.size()));
}

bool SameToken(absl::string_view a, absl::string_view b) {
  if (a.size() != b.size()) return false;  // Their length is no secret.
  volatile uint8_t different = 0;
  for (size_t i = 0; i < a.size(); ++i)
    different = different | (static_cast<uint8_t>(a[i]) ^ static_cast<uint8_t>(b[i]));
  return different == 0;
}

}  // namespace outboard::access
