#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "host/config/reader.h"

namespace outboard::app {

// Where hosts of this user put their admin sockets: $XDG_RUNTIME_DIR/outboard if that variable
// names a folder, else /tmp/outboard-<uid>.
std::string SocketFolder(const config::Env& env = config::ProcessEnv());

// The admin socket of this host: host.admin_socket, else SocketFolder()/<name>.sock.
std::string AdminSocketPath(const config::Host& host,
                            const config::Env& env = config::ProcessEnv());

// Makes the folder of a socket, 0700, if it is not there. PERMISSION_DENIED if the default folder
// in /tmp belongs to someone else or lets others in: who owns it could stand in for the host.
absl::Status MakeSocketFolder(const std::string& socket_path);

// Where a client looks for the host of that name, likeliest first: a service manager may have
// started the host without XDG_RUNTIME_DIR.
std::vector<std::string> SocketCandidates(const std::string& name,
                                          const config::Env& env = config::ProcessEnv());

}  // namespace outboard::app
