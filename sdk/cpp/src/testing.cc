#include "outboard/testing.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "outboard/plugin/v1/plugin.grpc.pb.h"
#include "outboard/plugin/v1/worker.grpc.pb.h"
#include "src/component.h"
#include "src/delivery_owner.h"
#include "src/server.h"

namespace outboard::testing {
namespace {

using plugin::v1::HandleRequest;
using plugin::v1::HandleResponse;
using plugin::v1::WorkerVerdict;

constexpr std::chrono::seconds kPatience(10);

class TestOwner : public internal::DeliveryOwner {
 public:
  TestOwner(internal::SessionInfo info, bool cancelled)
      : info_(std::move(info)), cancelled_(cancelled) {}
  const internal::SessionInfo& info() const override { return info_; }
  bool Cancelled(uint64_t) override { return cancelled_; }
  void Progress(uint64_t) override {}

 private:
  const internal::SessionInfo info_;
  const bool cancelled_;
};

NewEvent CopyEvent(const event::v1::Event& event) {
  // Later fields go before earlier ones, so the whole event follows the type that NewEvent wants.
  NewEvent copy(event.type());
  copy.Id(event.id()).Source(event.source());
  for (const auto& [name, value] : event.attributes()) {
    if (value.has_ce_boolean()) copy.Set(name, value.ce_boolean());
    if (value.has_ce_integer()) copy.Set(name, static_cast<int32_t>(value.ce_integer()));
    if (value.has_ce_string()) copy.Set(name, std::string_view(value.ce_string()));
    if (value.has_ce_timestamp()) {
      copy.Set(name, Timestamp(std::chrono::seconds(value.ce_timestamp().seconds()) +
                               std::chrono::nanoseconds(value.ce_timestamp().nanos())));
    }
  }
  copy.Data(event.binary_data());
  return copy;
}

Verdict ReadVerdict(const WorkerVerdict& from) {
  const auto& failure = from.failure();
  std::chrono::nanoseconds after(0);
  if (from.has_retry_after()) {
    after = std::chrono::seconds(from.retry_after().seconds()) +
            std::chrono::nanoseconds(from.retry_after().nanos());
  }
  Verdict verdict = Release();
  if (from.outcome() == WorkerVerdict::OUTCOME_DONE) {
    std::vector<NewEvent> emits;
    for (const auto& event : from.emits()) emits.push_back(CopyEvent(event));
    return Done(std::move(emits));
  }
  if (from.outcome() == WorkerVerdict::OUTCOME_RETRY) {
    verdict = Retry(after, failure.reason(), failure.message());
  } else if (from.outcome() == WorkerVerdict::OUTCOME_REJECT) {
    verdict = Reject(failure.reason(), failure.message());
  }
  if (!failure.detail().empty()) verdict.Detail(failure.detail());
  for (const auto& [key, value] : failure.metadata()) verdict.Metadata(key, value);
  return verdict;
}

}  // namespace

Verdict Call(const Plugin& plugin, std::string_view worker, const NewEvent& event,
             const CallOptions& options) {
  for (const Plugin::WorkerSpec& spec : plugin.workers()) {
    if (spec.name != worker) continue;
    TestOwner owner({"test", spec.name, options.config_json, std::nullopt}, options.cancelled);
    internal::Delivery delivery;
    delivery.id = 1;
    delivery.attempt = options.delivery.attempt;
    delivery.event = event.wire();
    delivery.order_key = options.delivery.order_key;
    delivery.route = options.delivery.route;
    return internal::CallHandler(spec.handler, delivery, &owner);
  }
  std::fprintf(stderr, "outboard::testing::Call: plugin '%s' has no worker '%.*s'\n",
               plugin.name().c_str(), static_cast<int>(worker.size()), worker.data());
  std::abort();
}

struct FakeHost::Impl {
  using Stream = grpc::ClientReaderWriter<HandleRequest, HandleResponse>;

  ~Impl();
  void Connect(const std::string& address);
  // Reads until the stream ends.
  void Read();
  void Take(const HandleResponse& frame);
  bool Send(const HandleRequest& frame) { return stream != nullptr && stream->Write(frame); }
  End Finish();
  template <typename Condition>
  bool WaitUntil(Condition condition);

  std::string folder, address;
  std::unique_ptr<internal::Server> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<plugin::v1::PluginService::Stub> plugin_stub;
  std::unique_ptr<plugin::v1::WorkerService::Stub> worker_stub;
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<Stream> stream;
  std::thread reader;
  uint64_t sent = 0;

  std::mutex mutex;
  std::condition_variable changed;
  bool opened = false;
  bool ended = false;
  End end;
  size_t frames = 0;
  std::vector<Answer> answers;
  std::map<uint64_t, size_t> places;  // Of the first answer to an id.
  std::map<uint64_t, int> progress;
};

void FakeHost::Impl::Connect(const std::string& to) {
  address = to;
  // A plugin that is still starting is found as soon as it listens.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  plugin_stub = plugin::v1::PluginService::NewStub(channel);
  worker_stub = plugin::v1::WorkerService::NewStub(channel);
  channel->WaitForConnected(std::chrono::system_clock::now() + kPatience);
}

FakeHost::Impl::~Impl() {
  if (stream != nullptr) {
    context->TryCancel();
    reader.join();
  }
  server.reset();
  if (folder.empty()) return;
  unlink((folder + "/socket").c_str());
  rmdir(folder.c_str());
}

void FakeHost::Impl::Read() {
  HandleResponse frame;
  while (stream->Read(&frame)) Take(frame);
  const grpc::Status status = stream->Finish();
  std::lock_guard lock(mutex);
  end = {status.error_code(), status.error_message()};
  ended = true;
  changed.notify_all();
}

void FakeHost::Impl::Take(const HandleResponse& frame) {
  std::lock_guard lock(mutex);
  ++frames;
  opened |= frame.has_opened();
  for (const uint64_t id : frame.progress_ids()) ++progress[id];
  for (const uint64_t id : frame.done_ids()) {
    places.emplace(id, answers.size());
    answers.push_back({id, Done()});
  }
  for (const WorkerVerdict& verdict : frame.verdicts()) {
    places.emplace(verdict.delivery_id(), answers.size());
    answers.push_back({verdict.delivery_id(), ReadVerdict(verdict)});
  }
  changed.notify_all();
}

template <typename Condition>
bool FakeHost::Impl::WaitUntil(Condition condition) {
  std::unique_lock lock(mutex);
  changed.wait_for(lock, kPatience, [&] { return ended || condition(); });
  return condition();
}

End FakeHost::Impl::Finish() {
  if (stream == nullptr) return {grpc::StatusCode::FAILED_PRECONDITION, "no session is open"};
  {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, kPatience, [this] { return ended; });
    if (!ended) {
      lock.unlock();
      context->TryCancel();
      reader.join();
      stream.reset();
      return {grpc::StatusCode::DEADLINE_EXCEEDED, "the plugin did not end the stream within 10 s"};
    }
  }
  reader.join();
  stream.reset();
  return end;
}

FakeHost::FakeHost(const Plugin& plugin) : impl_(std::make_unique<Impl>()) {
  if (const std::string fault = plugin.Fault(); !fault.empty()) {
    std::fprintf(stderr, "outboard::testing::FakeHost: %s\n", fault.c_str());
    std::abort();
  }
  char folder[] = "/tmp/outboard-test-XXXXXX";
  if (mkdtemp(folder) != nullptr) {
    impl_->folder = folder;
    impl_->server = internal::Server::Start(plugin, std::string("unix:") + folder + "/socket");
  }
  if (impl_->server == nullptr) {
    std::fprintf(stderr, "outboard::testing::FakeHost: cannot listen in a folder of /tmp\n");
    std::abort();
  }
  impl_->Connect("unix:" + impl_->folder + "/socket");
}

FakeHost::FakeHost(const std::string& address) : impl_(std::make_unique<Impl>()) {
  impl_->Connect(address);
}

FakeHost::~FakeHost() = default;

std::vector<ConfigError> FakeHost::CheckConfig(const std::string& config_json) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  plugin::v1::DescribeRequest request;
  request.set_config_json(config_json);
  plugin::v1::DescribeResponse response;
  const grpc::Status status = impl_->plugin_stub->Describe(&context, request, &response);
  if (!status.ok()) return {{"", "Describe failed: " + status.error_message()}};
  std::vector<ConfigError> errors;
  for (const auto& error : response.config_errors())
    errors.push_back({error.path(), error.message()});
  return errors;
}

std::vector<std::string> FakeHost::Components() {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  plugin::v1::DescribeResponse response;
  std::vector<std::string> names;
  if (!impl_->plugin_stub->Describe(&context, {}, &response).ok()) return names;
  for (const auto& component : response.components()) names.push_back(component.name());
  return names;
}

End FakeHost::Open(const std::string& component, const std::string& config_json) {
  if (impl_->stream != nullptr)
    return {grpc::StatusCode::FAILED_PRECONDITION, "one session at a time"};
  impl_->opened = impl_->ended = false;
  impl_->sent = 0;
  impl_->frames = 0;
  impl_->answers.clear();
  impl_->places.clear();
  impl_->progress.clear();
  impl_->context = std::make_unique<grpc::ClientContext>();
  impl_->stream = impl_->worker_stub->Handle(impl_->context.get());
  impl_->reader = std::thread([this] { impl_->Read(); });
  HandleRequest frame;
  frame.mutable_open()->set_component(component);
  frame.mutable_open()->set_host("test");
  frame.mutable_open()->set_config_json(config_json);
  impl_->Send(frame);
  if (impl_->WaitUntil([this] { return impl_->opened; })) return {};
  return impl_->Finish();
}

uint64_t FakeHost::Deliver(const NewEvent& event, const Delivery& delivery) {
  return Deliver(std::vector<NewEvent>{event}, delivery).front();
}

std::vector<uint64_t> FakeHost::Deliver(const std::vector<NewEvent>& events,
                                        const Delivery& delivery) {
  HandleRequest frame;
  std::vector<uint64_t> ids;
  for (const NewEvent& event : events) {
    auto* out = frame.add_deliveries();
    out->set_delivery_id(++impl_->sent);
    out->mutable_event()->ParseFromString(event.wire());
    out->set_attempt(delivery.attempt);
    out->set_order_key(delivery.order_key);
    out->set_route(delivery.route);
    ids.push_back(impl_->sent);
  }
  impl_->Send(frame);
  return ids;
}

void FakeHost::Cancel(uint64_t delivery_id) {
  HandleRequest frame;
  frame.add_cancel_ids(delivery_id);
  impl_->Send(frame);
}

std::optional<Verdict> FakeHost::Wait(uint64_t delivery_id) {
  if (!impl_->WaitUntil([&] { return impl_->places.count(delivery_id) > 0; })) return std::nullopt;
  std::lock_guard lock(impl_->mutex);
  return impl_->answers[impl_->places[delivery_id]].verdict;
}

std::vector<Answer> FakeHost::WaitForAnswers(size_t count) {
  impl_->WaitUntil([&] { return impl_->answers.size() >= count; });
  std::lock_guard lock(impl_->mutex);
  return impl_->answers;
}

bool FakeHost::WaitForProgress(uint64_t delivery_id, int times) {
  return impl_->WaitUntil([&] { return impl_->progress[delivery_id] >= times; });
}

size_t FakeHost::frames_received() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->frames;
}

End FakeHost::Close() {
  HandleRequest frame;
  frame.mutable_close()->set_cause(plugin::v1::Close::CAUSE_DRAIN);
  if (impl_->Send(frame)) impl_->stream->WritesDone();
  return impl_->Finish();
}

End FakeHost::CloseForError(const std::string& message) {
  HandleRequest frame;
  frame.mutable_close()->set_cause(plugin::v1::Close::CAUSE_PROTOCOL_ERROR);
  frame.mutable_close()->set_message(message);
  if (impl_->Send(frame)) impl_->stream->WritesDone();
  return impl_->Finish();
}

End FakeHost::Cut() {
  if (impl_->context != nullptr) impl_->context->TryCancel();
  return impl_->Finish();
}

End FakeHost::WaitForEnd() { return impl_->Finish(); }

}  // namespace outboard::testing
