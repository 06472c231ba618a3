#include "host/admin/server.h"

#include <grpcpp/server_builder.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/admin/limits.h"

namespace outboard::admin {
namespace {

bool SomeoneListens(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const bool listens =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return listens;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const std::string& path, AdminService* admin,
                                                      PublisherService* publisher,
                                                      PipelineService* pipelines) {
  if (path.size() > 107) {
    return absl::InvalidArgumentError(
        absl::StrCat("admin socket ", path,
                     " has a path above 107 bytes: set host.admin_socket to a shorter one"));
  }
  if (SomeoneListens(path)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "another host listens at ", path, ": give this one another host.name, or stop that one"));
  }
  unlink(path.c_str());
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
  SetLimits(&builder);
  builder.RegisterService(admin);
  builder.RegisterService(publisher);
  builder.RegisterService(pipelines);
  const mode_t before = umask(0177);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  umask(before);
  if (server == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen at ", path,
                     ": is its folder there and writable? set host.admin_socket to another path"));
  }
  return std::unique_ptr<Server>(new Server(admin, std::move(server)));
}

Server::Server(AdminService* admin, std::unique_ptr<grpc::Server> server)
    : admin_(admin), server_(std::move(server)) {}

Server::~Server() {
  admin_->Stop();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
  // gRPC removes the socket when it stops listening; by now the path may be another host's.
  server_->Wait();
}

}  // namespace outboard::admin
