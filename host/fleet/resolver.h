#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/base/clock.h"

namespace outboard::fleet {

// What `address:` in a config may be: dns:///name:port, host:port or unix:/path.
struct RemoteAddress {
  std::string unix_path;  // Set, or the others are.
  std::string host;
  std::string port;
};

// INVALID_ARGUMENT says what is wrong and shows the forms.
absl::StatusOr<RemoteAddress> ParseAddress(absl::string_view address);

// Asks the system for all addresses of a name, now and then, on a thread of its own. A failed
// lookup changes nothing.
class Resolver {
 public:
  // `found` gets gRPC addresses (ipv4:1.2.3.4:5, ipv6:[..]:5, unix:/path), sorted, after each
  // successful lookup; `failed` says why one failed. Both are called on the resolver's thread.
  Resolver(RemoteAddress address, Duration interval,
           std::function<void(std::vector<std::string>)> found,
           std::function<void(absl::Status)> failed);
  ~Resolver();
  // Looks up again soon.
  void Hurry();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::fleet
