#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "host/config/reader.h"

namespace outboard::app {

// Flags for a host that is reached over TCP. What is empty comes from the environment:
// $OUTBOARD_ADDRESS, $OUTBOARD_TOKEN_FILE, $OUTBOARD_CA, $OUTBOARD_CERT, $OUTBOARD_KEY,
// $OUTBOARD_SERVER_NAME.
struct RemoteOptions {
  std::string address;      // --address host:port
  std::string token_file;   // --token-file: holds the token and nothing else.
  std::string ca;           // --ca, of the host's certificate; empty: the system's.
  std::string cert, key;    // --cert, --key: of this client.
  std::string server_name;  // --server-name in the host's certificate; empty: that of the address.
  bool plaintext = false;   // --plaintext
};

RemoteOptions WithEnvironment(RemoteOptions options, const config::Env& env);

// A connection that has not begun, and what each call needs to carry. Encrypted, unless the address
// is a loopback one and no flag is about certificates.
struct RemoteHost {
  std::shared_ptr<grpc::Channel> channel;
  std::string token;  // Empty: none.
};
// INVALID_ARGUMENT says which flag or file is wrong, and never shows a token.
absl::StatusOr<RemoteHost> ConnectRemote(const RemoteOptions& options,
                                         grpc::ChannelArguments arguments);

}  // namespace outboard::app
