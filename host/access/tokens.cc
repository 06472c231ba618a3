#include "host/access/tokens.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"

namespace outboard::access {
namespace {

constexpr Duration kLogEvery = std::chrono::seconds(10);
constexpr std::streamsize kMaxFile = 1 << 20;

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(absl::StrCat("cannot read the tokens of ", path, ": ",
                                            std::strerror(errno),
                                            ": let the host's user read it, or name another file"));
  }
  std::string text(kMaxFile + 1, '\0');
  file.read(text.data(), kMaxFile + 1);
  if (file.gcount() > kMaxFile) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has more than ", kMaxFile, " bytes: is it a file of tokens?"));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

}  // namespace

Tokens::Tokens(std::vector<Source> sources, const Clock* clock)
    : clock_(clock), sources_(std::move(sources)) {}

std::vector<Tokens::Known> Tokens::ToKnown(std::vector<Grant> grants) {
  std::vector<Known> known;
  for (Grant& grant : grants) {
    AddLogSecret(grant.token);
    known.push_back(
        {std::move(grant.token), std::make_shared<const Caller>(std::move(grant.caller))});
  }
  return known;
}

absl::Status Tokens::Read(Source* source) {
  const TokenSource& from = source->from;
  source->stamp = FileStamp::Of(from.path);  // Before: what comes later is a change.
  OUTBOARD_ASSIGN_OR_RETURN(const std::string text, ReadAll(from.path));
  std::vector<Grant> grants;
  if (from.of) {
    OUTBOARD_ASSIGN_OR_RETURN(std::string token, ParseToken(text, from.path));
    grants.push_back({*from.of, std::move(token)});
  } else {
    OUTBOARD_ASSIGN_OR_RETURN(grants, ParseTokens(text, from.path));
  }
  source->known = ToKnown(std::move(grants));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Tokens>> Tokens::Load(const std::vector<TokenSource>& sources,
                                                     std::vector<Grant> fixed, const Clock* clock) {
  std::vector<Source> all;
  for (const TokenSource& source : sources) {
    all.push_back({source, {}, {}});
    OUTBOARD_RETURN_IF_ERROR(Read(&all.back()));
  }
  all.push_back({{}, {}, ToKnown(std::move(fixed))});
  return std::unique_ptr<Tokens>(new Tokens(std::move(all), clock));
}

void Tokens::ReadWhatChanged() {
  const Time now = clock_->Now();
  if (now < look_at_) return;
  look_at_ = now + kLookEvery;
  for (Source& source : sources_) {
    const std::string& path = source.from.path;
    if (path.empty() || FileStamp::Of(path) == source.stamp) continue;
    const absl::Status read = Read(&source);
    if (read.ok()) {
      LogInfo("access", "read the tokens of a file again", {{"file", path}});
    } else {
      LogError("access", absl::StrCat("the tokens stay as they were: ", read.message()));
    }
  }
}

std::shared_ptr<const Caller> Tokens::Find(absl::string_view token) const {
  std::shared_ptr<const Caller> found;
  for (const Source& source : sources_) {
    for (const Known& known : source.known) {
      if (SameToken(known.token, token)) found = known.caller;
    }
  }
  return found;
}

absl::StatusOr<std::shared_ptr<const Caller>> Tokens::Admit(const Request& request, Role needed) {
  const absl::string_view token = BearerToken(request.authorization.value_or(""));
  if (token.empty()) {
    const auto why = absl::UnauthenticatedError(
        absl::StrCat(request.what, " needs a token: send `authorization: Bearer TOKEN`"));
    Count(request, Cause::kNoToken, why);
    return why;
  }
  std::shared_ptr<const Caller> caller;
  {
    MutexLock lock(mu_);
    ReadWhatChanged();
    caller = Find(token);
  }
  if (caller == nullptr) {
    const auto why = absl::UnauthenticatedError(
        "the host does not know this token: was it removed, or cut? send one of host.token_file");
    Count(request, Cause::kUnknownToken, why);
    return why;
  }
  const absl::Status role = CheckRole(*caller, needed, request.what);
  if (role.ok()) return caller;
  Count(request, Cause::kRole, role);
  return role;
}

void Tokens::Count(const Request& request, Cause cause, const absl::Status& why) {
  {
    MutexLock lock(mu_);
    ++refusals_.requests[static_cast<size_t>(request.edge)][static_cast<size_t>(cause)];
    const Time now = clock_->Now();
    if (now < log_at_) return;  // The metric tells how many there are.
    log_at_ = now + kLogEvery;
  }
  LogWarning("access", absl::StrCat("refused: ", why.message()),
             {{"call", std::string(request.what)}, {"peer", std::string(request.peer)}});
}

absl::Status Tokens::CheckType(const Caller& caller, absl::string_view type) {
  absl::Status status = access::CheckType(caller, type);
  if (!status.ok()) {
    MutexLock lock(mu_);
    ++refusals_.events[caller.name];
  }
  return status;
}

Refusals Tokens::refusals() const {
  MutexLock lock(mu_);
  return refusals_;
}

}  // namespace outboard::access
