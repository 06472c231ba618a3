#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace outboard::http {

struct Listening {
  int fd = -1;          // Listens, does not block, is not inherited. The caller closes it.
  std::string address;  // host:port as bound, numeric.
};

// Listens at "host:port"; an IPv6 address stands in brackets, port 0 is any free one.
// INVALID_ARGUMENT: no such form. ALREADY_EXISTS: the port is taken. UNAVAILABLE: the rest. All say
// how to fix it.
absl::StatusOr<Listening> Listen(const std::string& address);

}  // namespace outboard::http
