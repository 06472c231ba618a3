#pragma once

#include <grpcpp/server.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "host/admin/admin_service.h"
#include "host/admin/pipeline_service.h"
#include "host/admin/publisher_service.h"

namespace outboard::admin {

// The gRPC server on the admin socket. Construct the services first; both outlive the server.
class Server {
 public:
  // Listens at `socket_path`, for this user alone; a socket that nobody listens at any more is
  // replaced. FAILED_PRECONDITION: a living host listens there; UNAVAILABLE: it cannot be made.
  // Both say how to fix it.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const std::string& socket_path,
                                                       AdminService* admin,
                                                       PublisherService* publisher,
                                                       PipelineService* pipelines);
  // Lets calls under way finish for a moment, then ends them, and removes the socket.
  ~Server();

 private:
  Server(AdminService* admin, std::unique_ptr<grpc::Server> server);

  AdminService* const admin_;
  const std::unique_ptr<grpc::Server> server_;
};

}  // namespace outboard::admin
