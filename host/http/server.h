#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "host/admin/snapshot.h"

namespace outboard::http {

struct ServerOptions {
  std::string address;       // As for Listen() in listen.h.
  admin::TakeSnapshot take;  // Called on a thread of the server, one call at a time.
};

// Serves /metrics, /healthz and /readyz. Slow, idle or many clients do not keep others from their
// answer, and /healthz waits for nothing but the server's own thread.
class Server {
 public:
  // The error says what, where and how to fix it; ALREADY_EXISTS: the port is taken.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options);
  // Answers what waits for a snapshot, closes all connections.
  ~Server();

  // host:port where it listens, with the port that port 0 became.
  const std::string& address() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::http
