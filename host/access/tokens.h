#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/access/caller.h"
#include "host/access/file_stamp.h"
#include "host/access/token_file.h"
#include "host/base/clock.h"
#include "host/base/mutex.h"

namespace outboard::access {

enum class Edge : uint8_t { kGrpc, kHttp };
enum class Cause : uint8_t { kNoToken, kUnknownToken, kRole };

// Requests refused since the start of the host, and events refused for their type.
struct Refusals {
  std::array<std::array<uint64_t, 3>, 2> requests{};  // [Edge][Cause]
  std::map<std::string, uint64_t> events;             // By the name of the caller.
};

// A file of lines as ParseTokens reads, or, with `of`, the one token of that caller.
struct TokenSource {
  std::string path;
  std::optional<Caller> of;
};

// One request at an edge.
struct Request {
  Edge edge = Edge::kGrpc;
  std::optional<absl::string_view> authorization;  // The header or metadata of that name.
  absl::string_view what;                          // The name of the call.
  absl::string_view peer;
};

// All tokens of a host. A file that changes is read again, within a second of its change; one that
// cannot be read then, or is not valid, leaves its tokens as they were, and the log says so. Any
// thread.
class Tokens {
 public:
  // The errors of reading the files. `fixed`: tokens that do not come from files. `clock` outlives
  // it.
  static absl::StatusOr<std::unique_ptr<Tokens>> Load(const std::vector<TokenSource>& sources,
                                                      std::vector<Grant> fixed, const Clock* clock);

  // Who it is. UNAUTHENTICATED, PERMISSION_DENIED: counted, and say the fix.
  absl::StatusOr<std::shared_ptr<const Caller>> Admit(const Request& request, Role needed)
      OUTBOARD_EXCLUDES(mu_);
  // As access::CheckType; counts.
  absl::Status CheckType(const Caller& caller, absl::string_view type) OUTBOARD_EXCLUDES(mu_);
  Refusals refusals() const OUTBOARD_EXCLUDES(mu_);

 private:
  struct Known {
    std::string token;
    std::shared_ptr<const Caller> caller;
  };
  struct Source {
    TokenSource from;
    FileStamp stamp;
    std::vector<Known> known;
  };

  Tokens(std::vector<Source> sources, const Clock* clock);
  static absl::Status Read(Source* source);
  static std::vector<Known> ToKnown(std::vector<Grant> grants);
  void ReadWhatChanged() OUTBOARD_REQUIRES(mu_);
  std::shared_ptr<const Caller> Find(absl::string_view token) const OUTBOARD_REQUIRES(mu_);
  void Count(const Request& request, Cause cause, const absl::Status& why) OUTBOARD_EXCLUDES(mu_);

  const Clock* const clock_;
  mutable Mutex mu_;
  std::vector<Source> sources_ OUTBOARD_GUARDED_BY(mu_);
  Time look_at_ OUTBOARD_GUARDED_BY(mu_){};
  Time log_at_ OUTBOARD_GUARDED_BY(mu_){};
  Refusals refusals_ OUTBOARD_GUARDED_BY(mu_);
};

// Somebody whose stream stays open. Asked again as it goes on, since tokens are taken away.
struct Visit {
  Tokens* tokens = nullptr;  // Outlives it.
  Role needed = Role::kRead;
  std::string what, authorization, peer;

  absl::StatusOr<std::shared_ptr<const Caller>> Admit() const {
    return tokens->Admit({Edge::kGrpc, authorization, what, peer}, needed);
  }
};

}  // namespace outboard::access
