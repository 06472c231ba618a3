#pragma once

#include <grpcpp/server.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "host/access/certificate.h"
#include "host/admin/guard.h"

namespace outboard::admin {

struct GuardedServerOptions {
  std::string address;                  // host:port; empty: none.
  std::optional<access::TlsFiles> tls;  // Of that one.
  std::string plugin_socket;            // Where launched plugins publish; empty: none.
  access::Tokens* tokens = nullptr;     // This, and the services, outlive the server.
};

// The gRPC server for those who have to show a token: strangers over TCP, and plugins.
class GuardedServer {
 public:
  // ALREADY_EXISTS, UNAVAILABLE: it cannot listen; INVALID_ARGUMENT and others: certificate or key.
  // All say how to fix it.
  static absl::StatusOr<std::unique_ptr<GuardedServer>> Start(const GuardedServerOptions& options,
                                                              AdminService* admin,
                                                              PublisherService* publisher,
                                                              PipelineService* pipelines);
  // Lets calls under way finish for a moment, then ends them. Stop `admin` before.
  ~GuardedServer();

  // host:port with the port that port 0 became; empty: it listens on no port.
  const std::string& address() const { return address_; }

 private:
  GuardedServer(const GuardedServerOptions& options, AdminService* admin,
                PublisherService* publisher, PipelineService* pipelines);

  GuardedAdmin admin_;
  GuardedPublisher publisher_;
  GuardedPipelines pipelines_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace outboard::admin
