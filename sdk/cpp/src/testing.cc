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
#include "outboard/plugin/v1/producer.grpc.pb.h"
#include "outboard/plugin/v1/stage.grpc.pb.h"
#include "outboard/plugin/v1/worker.grpc.pb.h"
#include "src/component.h"
#include "src/delivery_owner.h"
#include "src/server.h"

namespace outboard::testing {
namespace {

using plugin::v1::HandleRequest;
using plugin::v1::HandleResponse;
using plugin::v1::ProducerVerdict;
using plugin::v1::StageVerdict;
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

std::optional<Offset> ReadOffset(const plugin::v1::Offset& from) {
  switch (from.value_case()) {
    case plugin::v1::Offset::kIntValue: return Offset(from.int_value());
    case plugin::v1::Offset::kDoubleValue: return Offset(from.double_value());
    case plugin::v1::Offset::kStringValue: return Offset(from.string_value());
    case plugin::v1::Offset::kBytesValue: return Offset(Bytes{from.bytes_value()});
    case plugin::v1::Offset::VALUE_NOT_SET: break;
  }
  return std::nullopt;
}

outboard::Call CallOf(const std::string& wire) {
  return outboard::Call::Parse(wire).value_or(outboard::Call());
}

// One verdict as each role's.
struct AnyVerdict {
  WorkerVerdict worker;
  StageVerdict stage;
  ProducerVerdict producer;
};

Verdict ReadGood(Role role, const AnyVerdict& verdict) {
  const WorkerVerdict& from = verdict.worker;
  const ProducerVerdict& as_producer = verdict.producer;
  std::vector<NewEvent> events;
  switch (role) {
    case Role::kWorker:
      for (const auto& event : from.emits()) events.push_back(CopyEvent(event));
      return Done(std::move(events));
    case Role::kStage:
      if (verdict.stage.has_call())
        return Continue(NewCall::From(CallOf(verdict.stage.call().SerializeAsString())));
      return from.emits_size() > 0 ? Continue(CopyEvent(from.emits(0))) : Continue();
    case Role::kProducer: break;
  }
  const std::optional<Offset> offset = ReadOffset(as_producer.offset());
  if (!offset) return Accepted();
  if (!as_producer.has_accepted_at()) return Accepted(*offset);
  return Accepted(*offset, Timestamp(std::chrono::seconds(as_producer.accepted_at().seconds()) +
                                     std::chrono::nanoseconds(as_producer.accepted_at().nanos())));
}

// The verdicts of all roles have the same shape, but for what comes with a good one.
Verdict ReadVerdict(Role role, const AnyVerdict& any) {
  const WorkerVerdict& from = any.worker;
  const auto& failure = from.failure();
  std::chrono::nanoseconds after(0);
  if (from.has_retry_after()) {
    after = std::chrono::seconds(from.retry_after().seconds()) +
            std::chrono::nanoseconds(from.retry_after().nanos());
  }
  Verdict verdict = Release();
  if (from.outcome() == WorkerVerdict::OUTCOME_DONE) return ReadGood(role, any);
  if (static_cast<int>(from.outcome()) == StageVerdict::OUTCOME_HALT) {
    const auto& answer = any.stage.answer();
    return any.stage.has_answer() ? Halt(Payload{answer.data(), answer.content_type()}) : Halt();
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

// A session's stream, whatever its role: frames of all roles have the shape of a worker's.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual bool Write(const HandleRequest& frame) = 0;
  virtual bool Read(std::string* frame) = 0;
  virtual bool WritesDone() = 0;
  virtual grpc::Status Finish() = 0;
};

template <typename Request, typename Response>
class StreamOf final : public Stream {
 public:
  explicit StreamOf(std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream)
      : stream_(std::move(stream)) {}
  bool Write(const HandleRequest& frame) override {
    Request request;
    request.ParseFromString(frame.SerializeAsString());
    return stream_->Write(request);
  }
  bool Read(std::string* frame) override {
    Response response;
    return stream_->Read(&response) && response.SerializeToString(frame);
  }
  bool WritesDone() override { return stream_->WritesDone(); }
  grpc::Status Finish() override { return stream_->Finish(); }

 private:
  const std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream_;
};

template <typename Request, typename Response>
std::unique_ptr<Stream> MakeStream(
    std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream) {
  return std::make_unique<StreamOf<Request, Response>>(std::move(stream));
}

}  // namespace

namespace {

Verdict CallWith(const Plugin& plugin, std::string_view component, internal::Delivery delivery,
                 const CallOptions& options) {
  for (const Plugin::ComponentSpec& spec : plugin.components()) {
    if (spec.name != component) continue;
    TestOwner owner({"test", spec.name, options.config_json, std::nullopt}, options.cancelled);
    delivery.id = 1;
    delivery.attempt = options.delivery.attempt;
    delivery.order_key = options.delivery.order_key;
    delivery.route = options.delivery.route;
    return internal::ForRole(spec.role, internal::CallHandler(spec, delivery, &owner));
  }
  std::fprintf(stderr, "outboard::testing::Call: plugin '%s' has no component '%.*s'\n",
               plugin.name().c_str(), static_cast<int>(component.size()), component.data());
  std::abort();
}

}  // namespace

Verdict Call(const Plugin& plugin, std::string_view component, const NewEvent& event,
             const CallOptions& options) {
  internal::Delivery delivery;
  delivery.event = event.wire();
  return CallWith(plugin, component, delivery, options);
}

Verdict Call(const Plugin& plugin, std::string_view component, const NewCall& call,
             const CallOptions& options) {
  const std::string wire = call.Encode();
  internal::Delivery delivery;
  delivery.call = wire;
  delivery.has_call = true;
  return CallWith(plugin, component, delivery, options);
}

struct FakeHost::Impl {
  ~Impl();
  void Connect(const std::string& address);
  // Reads until the stream ends.
  void Read();
  void Take(const std::string& bytes);
  // Of the component of that name; a worker where there is none.
  Role RoleOf(const std::string& component);
  std::unique_ptr<Stream> NewStream();
  bool Send(const HandleRequest& frame) { return stream != nullptr && stream->Write(frame); }
  End Finish();
  template <typename Condition>
  bool WaitUntil(Condition condition);

  std::string folder, address;
  std::unique_ptr<internal::Server> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<plugin::v1::PluginService::Stub> plugin_stub;
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<Stream> stream;
  Role role = Role::kWorker;  // Of the session.
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
  std::string frame;
  while (stream->Read(&frame)) Take(frame);
  const grpc::Status status = stream->Finish();
  std::lock_guard lock(mutex);
  end = {status.error_code(), status.error_message()};
  ended = true;
  changed.notify_all();
}

void FakeHost::Impl::Take(const std::string& bytes) {
  HandleResponse frame;
  frame.ParseFromString(bytes);
  plugin::v1::ProduceResponse as_producer;
  plugin::v1::ProcessResponse as_stage;
  if (role == Role::kProducer) as_producer.ParseFromString(bytes);
  if (role == Role::kStage) as_stage.ParseFromString(bytes);
  std::lock_guard lock(mutex);
  ++frames;
  opened |= frame.has_opened();
  for (const uint64_t id : frame.progress_ids()) ++progress[id];
  for (const uint64_t id : frame.done_ids()) {
    places.emplace(id, answers.size());
    answers.push_back({id, Done()});
  }
  for (int i = 0; i < frame.verdicts_size(); ++i) {
    AnyVerdict verdict{frame.verdicts(i), {}, {}};
    if (i < as_stage.verdicts_size()) verdict.stage = as_stage.verdicts(i);
    if (i < as_producer.verdicts_size()) verdict.producer = as_producer.verdicts(i);
    const uint64_t id = verdict.worker.delivery_id();
    places.emplace(id, answers.size());
    answers.push_back({id, ReadVerdict(role, verdict)});
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

Role FakeHost::Impl::RoleOf(const std::string& component) {
  grpc::ClientContext describing;
  describing.set_deadline(std::chrono::system_clock::now() + kPatience);
  plugin::v1::DescribeResponse response;
  plugin_stub->Describe(&describing, {}, &response);
  for (const auto& described : response.components()) {
    if (described.name() != component) continue;
    if (described.role() == plugin::v1::ROLE_STAGE) return Role::kStage;
    if (described.role() == plugin::v1::ROLE_PRODUCER) return Role::kProducer;
  }
  return Role::kWorker;
}

std::unique_ptr<Stream> FakeHost::Impl::NewStream() {
  switch (role) {
    case Role::kStage:
      return MakeStream(plugin::v1::StageService::NewStub(channel)->Process(context.get()));
    case Role::kProducer:
      return MakeStream(plugin::v1::ProducerService::NewStub(channel)->Produce(context.get()));
    case Role::kWorker: break;
  }
  return MakeStream(plugin::v1::WorkerService::NewStub(channel)->Handle(context.get()));
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
  impl_->role = impl_->RoleOf(component);
  impl_->stream = impl_->NewStream();
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

uint64_t FakeHost::Deliver(const NewCall& call, const Delivery& delivery) {
  HandleRequest frame;
  auto* out = frame.add_deliveries();
  out->set_delivery_id(++impl_->sent);
  out->mutable_call()->ParseFromString(call.Encode());
  out->set_attempt(delivery.attempt);
  impl_->Send(frame);
  return impl_->sent;
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
