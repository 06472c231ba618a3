#include "host/plugin/grpc/connection.h"

#include <grpcpp/create_channel.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/plugin/grpc/library.h"
#include "outboard/plugin/v1/plugin.grpc.pb.h"

namespace outboard::plugin {

using outboard::plugin::v1::DescribeRequest;
using outboard::plugin::v1::DescribeResponse;
using outboard::plugin::v1::PluginService;

// ---- ChannelWatcher
// --------------------------------------------------------------------------------

struct ChannelWatcher::Watch {
  std::shared_ptr<grpc::Channel> channel;
  std::weak_ptr<void> owner;
  std::function<void()> going_away;
  grpc_connectivity_state state;
};

ChannelWatcher::ChannelWatcher() : thread_([this] { Run(); }) {}

ChannelWatcher::~ChannelWatcher() {
  {
    MutexLock lock(mu_);
    stopped_ = true;
  }
  queue_.Shutdown();
  thread_.join();
}

void ChannelWatcher::Add(std::shared_ptr<grpc::Channel> channel, std::weak_ptr<void> owner,
                         std::function<void()> going_away) {
  auto watch = std::make_unique<Watch>();
  watch->channel = std::move(channel);
  watch->owner = std::move(owner);
  watch->going_away = std::move(going_away);
  watch->state = watch->channel->GetState(false);
  MutexLock lock(mu_);
  if (!stopped_) Next(watch.release(), &queue_);
}

void ChannelWatcher::Next(Watch* watch, grpc::CompletionQueue* queue) {
  // Wakes now and then to notice that the owner is gone.
  const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(1);
  watch->channel->NotifyOnStateChange(watch->state, deadline, queue, watch);
}

void ChannelWatcher::Run() {
  void* tag = nullptr;
  bool changed_in_time = false;
  while (queue_.Next(&tag, &changed_in_time)) {
    std::unique_ptr<Watch> watch(static_cast<Watch*>(tag));
    const std::shared_ptr<void> owner = watch->owner.lock();
    if (owner == nullptr) continue;
    const grpc_connectivity_state before = watch->state;
    watch->state = watch->channel->GetState(false);
    // Whatever woke it: a wake by time may come in the moment in which the state changes.
    if (before == GRPC_CHANNEL_READY && watch->state != GRPC_CHANNEL_READY) {
      watch->going_away();
      continue;
    }
    MutexLock lock(mu_);
    if (!stopped_) Next(watch.release(), &queue_);
  }
}

// ---- Connection
// ------------------------------------------------------------------------------------

namespace {

constexpr int kServing = 1;  // grpc.health.v1.HealthCheckResponse.SERVING

std::shared_ptr<grpc::Channel> MakeChannel(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
    grpc::ChannelArguments args = {}) {
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // One connection per instance.
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 50);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  args.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1 << 20);
  args.SetMaxReceiveMessageSize(kMaxResponseBytes);
  args.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel(address, credentials, args);
}

// Which name a certificate is checked for, in the place of the address that it was resolved to.
grpc::ChannelArguments Named(const std::string& server_name) {
  grpc::ChannelArguments args;
  args.SetSslTargetNameOverride(server_name);
  return args;
}

absl::Status ReadFile(const std::string& path, const char* what, std::string* out) {
  if (path.empty()) return absl::OkStatus();
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  *out = text.str();
  if (file && !out->empty()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("its ", what, " ", path,
                                          " cannot be read, or is empty: let the host's user read "
                                          "it, or name another file"));
}

const char* MethodOf(lane::Role role) {
  switch (role) {
    case lane::Role::kWorker: return "/outboard.plugin.v1.WorkerService/Handle";
    case lane::Role::kStage: return "/outboard.plugin.v1.StageService/Process";
    case lane::Role::kProducer: return "/outboard.plugin.v1.ProducerService/Produce";
  }
  return "";
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ReadCredentials(const TlsFiles& files) {
  grpc::SslCredentialsOptions ssl;
  OUTBOARD_RETURN_IF_ERROR(ReadFile(files.ca, "tls.ca_file", &ssl.pem_root_certs));
  OUTBOARD_RETURN_IF_ERROR(ReadFile(files.cert, "tls.cert_file", &ssl.pem_cert_chain));
  OUTBOARD_RETURN_IF_ERROR(ReadFile(files.key, "tls.key_file", &ssl.pem_private_key));
  return grpc::SslCredentials(ssl);
}

Connection::Connection(std::string address)
    : address_(std::move(address)),
      channel_(MakeChannel(address_, grpc::InsecureChannelCredentials())) {
  KeepGrpcUp();
}

Connection::Connection(std::string address, std::shared_ptr<grpc::ChannelCredentials> credentials,
                       const std::string& server_name)
    : address_(std::move(address)),
      waits_(false),
      channel_(MakeChannel(address_, credentials, Named(server_name))) {
  KeepGrpcUp();
}

void Connection::Describe(DescribeRequest request, Duration timeout,
                          std::function<void(absl::StatusOr<DescribeResponse>)> done) {
  struct Call {
    grpc::ClientContext context;
    DescribeRequest request;
    DescribeResponse response;
    std::unique_ptr<PluginService::Stub> stub;
  };
  auto call = std::make_shared<Call>();
  call->request = std::move(request);
  call->stub = PluginService::NewStub(channel_);
  call->context.set_wait_for_ready(waits_);
  call->context.set_deadline(std::chrono::system_clock::now() + timeout);
  Remember({call, &call->context});
  call->stub->async()->Describe(
      &call->context, &call->request, &call->response,
      [call, done = std::move(done)](const grpc::Status& status) {
        if (status.ok()) return done(std::move(call->response));
        done(absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                          status.error_message()));
      });
}

void Connection::CheckHealth(Duration timeout, std::function<void(absl::Status)> done) {
  struct Call {
    explicit Call(std::shared_ptr<grpc::Channel> channel) : stub(std::move(channel)) {}
    grpc::ClientContext context;
    wire::HealthCheckRequest request;
    wire::HealthCheckResponse response;
    grpc::TemplatedGenericStub<wire::HealthCheckRequest, wire::HealthCheckResponse> stub;
  };
  auto call = std::make_shared<Call>(channel_);
  call->context.set_deadline(std::chrono::system_clock::now() + timeout);
  Remember({call, &call->context});
  call->stub.UnaryCall(
      &call->context, "/grpc.health.v1.Health/Check", grpc::StubOptions(), &call->request,
      &call->response, [call, done = std::move(done)](const grpc::Status& status) {
        if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
          done(absl::DeadlineExceededError("no answer to grpc.health.v1 within the time limit"));
        } else if (status.ok() && call->response.status() != kServing) {
          done(absl::FailedPreconditionError(
              "its grpc.health.v1 does not say SERVING: let it say so as long as it takes work"));
        } else {
          done(absl::OkStatus());
        }
      });
}

void Connection::Remember(const std::shared_ptr<grpc::ClientContext>& call) {
  MutexLock lock(mu_);
  std::erase_if(calls_, [](const auto& known) { return known.expired(); });
  calls_.push_back(call);
}

void Connection::CancelCalls() {
  std::vector<std::weak_ptr<grpc::ClientContext>> calls;
  {
    MutexLock lock(mu_);
    calls.swap(calls_);
  }
  for (const auto& known : calls) {
    if (const auto call = known.lock()) call->TryCancel();
  }
}

void Connection::WatchGoingAway(ChannelWatcher* watcher, std::function<void()> going_away) {
  watcher->Add(channel_, weak_from_this(), std::move(going_away));
}

std::shared_ptr<GrpcSession> Connection::OpenSession(lane::SessionId id, lane::Role role,
                                                     outboard::plugin::v1::Open open,
                                                     SessionSink* sink) {
  auto session = std::make_shared<GrpcSession>(id, role, std::move(open), sink);
  session->Start(channel_, MethodOf(role));
  return session;
}

}  // namespace outboard::plugin
