#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "host/access/certificate.h"
#include "host/access/tokens.h"
#include "host/admin/snapshot.h"
#include "host/base/clock.h"
#include "host/event/wire.h"
#include "host/ingress/bound.h"
#include "host/ingress/ingress.h"

namespace outboard::http {

inline constexpr ingress::Load kMostBodies = {size_t{64} << 20, 1};

struct ServerOptions {
  std::string address;                  // As for Listen() in listen.h.
  admin::TakeSnapshot take;             // Called on a thread of the server, one call at a time.
  ingress::Ingress* ingress = nullptr;  // Outlives the server; null: POST /events is off.
  EventLimits limits = {};
  // What all bodies that come in may take; they do not count for the ingress, or slow clients would
  // keep publishers over gRPC out.
  std::shared_ptr<ingress::Bound> bodies = std::make_shared<ingress::Bound>(kMostBodies);
  // A body that takes longer gives its room up where there is none for others, and gets 429.
  Duration slow_upload = std::chrono::seconds(10);
  std::optional<access::TlsFiles> tls = std::nullopt;
  access::Tokens* tokens = nullptr;  // Outlives the server; null: nobody is asked for one.
};

// Serves /metrics, /healthz, /readyz and, with an ingress, POST /events. Slow, idle or many clients
// do not keep others from their answer, and /healthz waits for nothing but the server's own thread.
class Server {
 public:
  // The error says what, where and how to fix it; ALREADY_EXISTS: the port is taken.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options);
  // Answers what waits for a snapshot or for the bus (stop the ingress before: a bus that does not
  // confirm would hold this up), closes all connections.
  ~Server();

  // host:port where it listens, with the port that port 0 became.
  const std::string& address() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::http
