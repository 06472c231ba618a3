#pragma once

#include "absl/status/statusor.h"
#include "host/bus/amqp/connection.h"
#include "host/bus/amqp/library.h"

namespace outboard::bus::amqp {

inline constexpr int kFrameMax = 131072;  // Bytes; the broker may say less.
inline constexpr int kChannelMax = 2047;

// Connects to the endpoint and logs in, blocking up to the timeout (a name service that hangs comes
// on top). Errors as Connection::Connect says.
absl::StatusOr<LibraryState> LogIn(const ConnectionOptions& options, const Endpoint& endpoint);

}  // namespace outboard::bus::amqp
