#include "host/conform/connection.h"

#include <grpcpp/create_channel.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "host/conform/stream.h"
#include "host/plugin/grpc/connection.h"
#include "host/plugin/grpc/library.h"
#include "outboard/plugin/v1/plugin.grpc.pb.h"

namespace outboard::conform {
namespace {

constexpr int kMostBytes = 256 << 20;

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  plugin::KeepGrpcUp();
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // Each host has a connection of its own.
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  args.SetMaxReceiveMessageSize(kMostBytes);
  args.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), args);
}

std::chrono::system_clock::time_point In(Duration patience) {
  return std::chrono::system_clock::now() + patience;
}

}  // namespace

struct Connection::Impl {
  explicit Impl(const std::string& address)
      : channel(MakeChannel(address)),
        stub(v1::PluginService::NewStub(channel)),
        health(std::make_shared<plugin::Connection>(address)) {}

  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::PluginService::Stub> stub;
  std::shared_ptr<plugin::Connection> health;
};

Connection::Connection(const std::string& address) : impl_(std::make_unique<Impl>(address)) {}

Connection::~Connection() = default;

absl::Status Connection::WaitConnected(Duration patience) {
  if (impl_->channel->WaitForConnected(In(patience))) return absl::OkStatus();
  return absl::DeadlineExceededError("nobody listens there");
}

absl::StatusOr<v1::DescribeResponse> Connection::Describe(const std::string& config_json,
                                                          Duration patience) {
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(In(patience));
  v1::DescribeRequest request;
  request.set_host("outboard-conform");
  request.set_host_version(OUTBOARD_VERSION);
  request.set_max_message_bytes(kMaxFrameBytes);
  request.set_config_json(config_json);
  v1::DescribeResponse response;
  const grpc::Status status = impl_->stub->Describe(&context, request, &response);
  if (status.ok()) return response;
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

absl::Status Connection::CheckHealth(Duration patience) {
  struct Answer {
    Mutex mu;
    CondVar changed;
    std::optional<absl::Status> status OUTBOARD_GUARDED_BY(mu);
  };
  const auto answer = std::make_shared<Answer>();
  impl_->health->CheckHealth(patience, [answer](absl::Status status) {
    MutexLock lock(answer->mu);
    answer->status = std::move(status);
    answer->changed.NotifyAll();
  });
  MutexLock lock(answer->mu);
  while (!answer->status) answer->changed.Wait(answer->mu);  // Within `patience`.
  return *answer->status;
}

std::unique_ptr<Session> Connection::OpenStream(Audit::Settings settings) {
  auto stream = std::make_shared<Stream>(std::move(settings));
  stream->Start(impl_->channel);
  return std::make_unique<Session>(std::move(stream));
}

}  // namespace outboard::conform
