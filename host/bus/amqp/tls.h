#pragma once

#include <amqp.h>

#include <string>

#include "absl/status/status.h"
#include "host/bus/amqp/connection.h"

namespace outboard::bus::amqp {

// Sets up the library's TLS socket. INVALID_ARGUMENT names the file that cannot be used and why.
//
// The library's own check of the name knows DNS names only, and only the host that is dialled. So
// OpenSSL checks instead, during the handshake: names and IP addresses, and `server_name` where one
// is set. What the library always announces (SNI) is the endpoint's host, not `server_name`.
//
// `problem` gets why a certificate was refused; it must outlive the handshake.
absl::Status ConfigureTls(amqp_socket_t* socket, const Tls& tls, const std::string& host,
                          std::string* problem);

// Why the last handshake on this thread failed, as OpenSSL says it; empty: it does not say.
std::string LastTlsError();

}  // namespace outboard::bus::amqp
