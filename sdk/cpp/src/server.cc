#include "src/server.h"

#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include "outboard/plugin/v1/plugin.grpc.pb.h"
#include "outboard/plugin/v1/worker.grpc.pb.h"
#include "src/grpc_session.h"
#include "src/runtime.h"

namespace outboard::internal {
namespace {

class DescribeService final : public plugin::v1::PluginService::CallbackService {
 public:
  explicit DescribeService(Runtime* runtime) : runtime_(runtime) {}

  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context,
                                     const plugin::v1::DescribeRequest* request,
                                     plugin::v1::DescribeResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    runtime_->Describe(*request, response, [reactor] { reactor->Finish(grpc::Status::OK); });
    return reactor;
  }

 private:
  Runtime* const runtime_;
};

class WorkerService final : public plugin::v1::WorkerService::WithRawCallbackMethod_Handle<
                                plugin::v1::WorkerService::Service> {
 public:
  explicit WorkerService(Runtime* runtime) : runtime_(runtime) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Handle(
      grpc::CallbackServerContext*) override {
    return new GrpcSession(runtime_);
  }

 private:
  Runtime* const runtime_;
};

}  // namespace

struct Server::Impl {
  explicit Impl(const Plugin& plugin) : runtime(plugin) {}

  Runtime runtime;
  DescribeService describe{&runtime};
  WorkerService worker{&runtime};
  std::unique_ptr<grpc::Server> server;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() { Stop(std::chrono::milliseconds(0)); }

std::unique_ptr<Server> Server::Start(const Plugin& plugin, const std::string& address) {
  // For the life of the process: the end of the last server would take the library down, which may
  // wait 10 s for its own threads, longer than the host waits for the process.
  static const bool up = (grpc_init(), true);
  (void)up;
  auto impl = std::make_unique<Impl>(plugin);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  // Two programs at one port would share it silently.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  if (plugin.max_message_bytes() > 0) {
    builder.SetMaxReceiveMessageSize(static_cast<int>(plugin.max_message_bytes()));
  }
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterService(&impl->describe);
  builder.RegisterService(&impl->worker);
  impl->server = builder.BuildAndStart();
  if (!impl->server) return nullptr;
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

void Server::Stop(std::chrono::milliseconds grace) {
  if (impl_ == nullptr) return;
  impl_->server->Shutdown(std::chrono::system_clock::now() + grace);
  impl_->server->Wait();
  impl_.reset();
}

}  // namespace outboard::internal
