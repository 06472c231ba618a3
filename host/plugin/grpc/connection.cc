#include "host/plugin/grpc/connection.h"

#include <grpcpp/create_channel.h>

#include <utility>

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
  bool changed = false;
  while (queue_.Next(&tag, &changed)) {
    std::unique_ptr<Watch> watch(static_cast<Watch*>(tag));
    const std::shared_ptr<void> owner = watch->owner.lock();
    if (owner == nullptr) continue;
    const grpc_connectivity_state before = watch->state;
    watch->state = watch->channel->GetState(false);
    if (changed && before == GRPC_CHANNEL_READY && watch->state != GRPC_CHANNEL_READY) {
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

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // One connection per instance.
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 50);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  args.SetMaxReceiveMessageSize(kMaxResponseBytes);
  args.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), args);
}

}  // namespace

Connection::Connection(std::string address)
    : address_(std::move(address)), channel_(MakeChannel(address_)) {
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
  call->context.set_wait_for_ready(true);
  call->context.set_deadline(std::chrono::system_clock::now() + timeout);
  Remember({call, &call->context});
  call->stub->async()->Describe(
      &call->context, &call->request, &call->response,
      [call, done = std::move(done)](grpc::Status status) {
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

std::shared_ptr<GrpcSession> Connection::OpenWorker(lane::SessionId id,
                                                    outboard::plugin::v1::Open open,
                                                    SessionSink* sink) {
  auto session = std::make_shared<GrpcSession>(id, std::move(open), sink);
  session->Start(channel_, "/outboard.plugin.v1.WorkerService/Handle");
  return session;
}

}  // namespace outboard::plugin
