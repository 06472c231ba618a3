#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "host/bus/amqp/connection.h"

// What goes wrong with a broker, as statuses for people.
namespace outboard::bus::amqp {

// For an error's text: in quotes, cut, without control characters.
std::string Quoted(absl::string_view text);

// "host:port", an IPv6 address in brackets.
std::string Name(const Endpoint& endpoint);

// What a status of the library (below 0) says.
std::string LibraryText(int status);

// The broker refused a call by closing its channel. `what`: "declaring queue x".
absl::Status Refusal(absl::string_view endpoint, absl::string_view what, uint16_t code,
                     absl::string_view text);

// The broker closed the connection instead of letting us in.
absl::Status LoginRefusal(const ConnectionOptions& options, const Endpoint& endpoint, uint16_t code,
                          absl::string_view text);

// No TCP or TLS connection, or no login, for a reason that the library has a status for. `detail`:
// what OpenSSL said, or empty.
absl::Status ConnectFailure(const ConnectionOptions& options, const Endpoint& endpoint, int status,
                            absl::string_view detail);

}  // namespace outboard::bus::amqp
