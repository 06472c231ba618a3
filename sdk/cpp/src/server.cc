#include "src/server.h"

#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <cstdlib>

#include "outboard/plugin/v1/plugin.grpc.pb.h"
#include "outboard/plugin/v1/producer.grpc.pb.h"
#include "outboard/plugin/v1/stage.grpc.pb.h"
#include "outboard/plugin/v1/worker.grpc.pb.h"
#include "src/grpc_session.h"
#include "src/runtime.h"

namespace outboard::internal {
namespace {

// Of a plugin that listens at a port, by files that the environment names; they are read again when
// they change.
std::shared_ptr<grpc::ServerCredentials> Credentials(const std::string& address) {
  const auto file = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  const std::string cert = file("OUTBOARD_TLS_CERT");
  const std::string client_ca = file("OUTBOARD_TLS_CLIENT_CA");
  if (address.rfind("unix:", 0) == 0 || (cert.empty() && client_ca.empty()))
    return grpc::InsecureServerCredentials();
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(file("OUTBOARD_TLS_KEY"),
                                                                           cert, client_ca, 1));
  options.watch_identity_key_cert_pairs();
  if (!client_ca.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

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

using RawReactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

class WorkerService final : public plugin::v1::WorkerService::WithRawCallbackMethod_Handle<
                                plugin::v1::WorkerService::Service> {
 public:
  explicit WorkerService(Runtime* runtime) : runtime_(runtime) {}
  RawReactor* Handle(grpc::CallbackServerContext*) override {
    return new GrpcSession(runtime_, Role::kWorker);
  }

 private:
  Runtime* const runtime_;
};

class StageService final : public plugin::v1::StageService::WithRawCallbackMethod_Process<
                               plugin::v1::StageService::Service> {
 public:
  explicit StageService(Runtime* runtime) : runtime_(runtime) {}
  RawReactor* Process(grpc::CallbackServerContext*) override {
    return new GrpcSession(runtime_, Role::kStage);
  }

 private:
  Runtime* const runtime_;
};

class ProducerService final : public plugin::v1::ProducerService::WithRawCallbackMethod_Produce<
                                  plugin::v1::ProducerService::Service> {
 public:
  explicit ProducerService(Runtime* runtime) : runtime_(runtime) {}
  RawReactor* Produce(grpc::CallbackServerContext*) override {
    return new GrpcSession(runtime_, Role::kProducer);
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
  StageService stage{&runtime};
  ProducerService producer{&runtime};
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
  builder.AddListeningPort(address, Credentials(address));
  // Two programs at one port would share it silently.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Measuring the way to a host costs a ping for each frame at low rates; a window that is large
  // from the beginning needs none.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 4 << 20);
  if (plugin.max_message_bytes() > 0) {
    builder.SetMaxReceiveMessageSize(static_cast<int>(plugin.max_message_bytes()));
  }
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterService(&impl->describe);
  builder.RegisterService(&impl->worker);
  builder.RegisterService(&impl->stage);
  builder.RegisterService(&impl->producer);
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
