#include "host/admin/pipeline_service.h"

#include <deque>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/plugin/wire.pb.h"

namespace outboard::admin {
namespace {

using host::v1::InvokeError;
using host::v1::StreamedAnswer;
using outboard::plugin::v1::Call;

constexpr uint64_t kMaxUnary = 8192;
constexpr uint64_t kMaxUnaryBytes = 256 << 20;
constexpr uint64_t kMaxStreams = 64;
// One stream's calls without an answer, and answers that wait to be written, in number and bytes;
// beyond this the caller is not read.
constexpr size_t kMaxCalls = 4096;
constexpr size_t kMaxCallBytes = 16 << 20;
// Answers of one frame; one that is larger goes alone.
constexpr size_t kFrameBytes = 1 << 20;
// A client takes frames of 4 MiB by default, and a larger one would end its stream.
constexpr size_t kMaxAnswerBytes = (4 << 20) - (64 << 10);
// A status travels in headers, of which a client takes 8 KiB by default: twice its text, once as
// base64.
constexpr size_t kStatusText = 512;
constexpr size_t kDetailText = 1024;
constexpr size_t kStatusBytes = 3 << 10;
constexpr size_t kShownName = 64;

pipeline::Answer Refusal(absl::StatusCode code, std::string reason, std::string message) {
  pipeline::Answer answer;
  answer.code = code;
  answer.failure.reason = std::move(reason);
  answer.failure.message = std::move(message);
  return answer;
}

pipeline::Answer TooManyCalls(std::string message) {
  return Refusal(absl::StatusCode::kResourceExhausted, "TOO_MANY_CALLS", std::move(message));
}

// What a process said last is not checked before it comes here.
std::string Clean(const std::string& text) {
  const std::string clean = RedactSecrets(text);
  return IsValidUtf8(clean) ? clean : EscapeForPeople(clean);
}

InvokeError ToError(const pipeline::Answer& answer) {
  InvokeError error;
  error.set_code(static_cast<int32_t>(answer.code));
  error.set_stage(answer.stage);
  outboard::plugin::v1::Failure* failure = error.mutable_failure();
  failure->set_reason(Clean(answer.failure.reason));
  failure->set_message(Clean(answer.failure.message));
  failure->set_detail(Clean(answer.failure.detail));
  for (const auto& [key, value] : answer.failure.metadata)
    (*failure->mutable_metadata())[key] = value;
  return error;
}

// The same where it fits into a status: what matters least goes first.
InvokeError ToShortError(const pipeline::Answer& answer) {
  InvokeError error = ToError(answer);
  outboard::plugin::v1::Failure* failure = error.mutable_failure();
  failure->set_message(Truncate(failure->message(), kStatusText));
  failure->set_detail(Truncate(failure->detail(), kDetailText));
  if (error.ByteSizeLong() > kStatusBytes) failure->clear_detail();
  if (error.ByteSizeLong() > kStatusBytes) failure->clear_metadata();
  return error;
}

grpc::Status ToStatus(const pipeline::Answer& answer) {
  const InvokeError error = ToShortError(answer);
  const outboard::plugin::v1::Failure& failure = error.failure();
  wire::RpcErrorInfo info;
  info.set_reason(failure.reason());
  info.set_domain("outboard");
  if (!answer.stage.empty()) (*info.mutable_metadata())["stage"] = answer.stage;
  const std::string text =
      Truncate(absl::StrCat(answer.stage.empty() ? "" : absl::StrCat("stage ", answer.stage, ": "),
                            failure.message().empty() ? failure.reason() : failure.message()),
               kStatusText);
  host::v1::InvokeStatus status;
  status.set_code(error.code());
  status.set_message(text);
  google::protobuf::Any* detail = status.add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  detail->set_value(info.SerializeAsString());
  status.add_details()->PackFrom(error);
  return {static_cast<grpc::StatusCode>(answer.code), text, status.SerializeAsString()};
}

template <typename Out>
void SetAnswer(const pipeline::Answer& answer, Out* out) {
  out->set_stage(answer.stage);
  // What the codec has passed.
  if (answer.payload) OUTBOARD_CHECK(out->mutable_answer()->ParseFromString(*answer.payload));
}

}  // namespace

void PipelineService::Open(std::map<std::string, Place> pipelines) {
  MutexLock lock(mu_);
  pipelines_ = std::move(pipelines);
  open_ = true;
}

absl::StatusOr<PipelineService::Routed> PipelineService::Route(const Call& call,
                                                               const Metadata& metadata,
                                                               pipeline::Answer* refused) {
  const auto refuse = [refused](absl::StatusCode code, std::string reason, std::string message) {
    *refused = Refusal(code, std::move(reason), std::move(message));
    return absl::Status(code, "");
  };
  Routed routed;
  {
    MutexLock lock(mu_);
    if (!open_)
      return refuse(absl::StatusCode::kUnavailable, "NOT_READY", "the host is still starting");
    const auto found = pipelines_.find(call.pipeline());
    if (found == pipelines_.end()) {
      std::vector<std::string> names;
      for (const auto& [name, place] : pipelines_) names.push_back(name);
      const std::string near = Nearest(call.pipeline(), names);
      return refuse(
          absl::StatusCode::kNotFound, "NO_PIPELINE",
          absl::StrCat("this host has no pipeline ", Truncate(call.pipeline(), kShownName),
                       near.empty() ? "" : absl::StrCat("; did you mean ", near, "?"),
                       names.empty()
                           ? ": add pipelines: to its config"
                           : absl::StrCat(" (it has: ", absl::StrJoin(names, ", "), ")")));
    }
    routed.shard = found->second.shard;
    routed.invocation.pipeline = found->second.position;
  }
  if (call.operation().empty()) {
    return refuse(absl::StatusCode::kInvalidArgument, "NO_OPERATION",
                  "the call names no operation: set Call.operation");
  }
  auto body = std::make_shared<lane::Call>();
  body->pipeline = call.pipeline();
  body->operation = call.operation();
  std::optional<Call> with_trace;
  for (const char* name : {"traceparent", "tracestate", "baggage"}) {
    const auto found = metadata.find(name);
    if (found == metadata.end() || call.context().contains(name)) continue;
    const absl::string_view value(found->second.data(), found->second.size());
    if (!IsValidUtf8(value)) continue;
    if (!with_trace) with_trace = call;
    (*with_trace->mutable_context())[name] = std::string(value);
  }
  body->bytes = with_trace ? with_trace->SerializeAsString() : call.SerializeAsString();
  routed.invocation.call = std::move(body);
  routed.invocation.id = next_id_.fetch_add(1, std::memory_order_relaxed);
  return routed;
}

// ---- One call
// -------------------------------------------------------------------------------------

// Kept by gRPC until OnDone, and by its shard until it answers.
class PipelineService::Unary final : public grpc::ServerUnaryReactor,
                                     public std::enable_shared_from_this<Unary> {
 public:
  Unary(PipelineService* service, const host::v1::InvokeRequest& request,
        host::v1::InvokeResponse* response)
      : service_(service), bytes_(request.ByteSizeLong()), response_(response) {
    ++service_->unary_calls_;
    service_->unary_bytes_ += bytes_;
  }

  void Start(grpc::CallbackServerContext* context, const host::v1::InvokeRequest& request) {
    self_ = shared_from_this();
    pipeline::Answer refused;
    if (service_->unary_calls_ > kMaxUnary || service_->unary_bytes_ > kMaxUnaryBytes) {
      return Take(TooManyCalls(
          absl::StrCat(kMaxUnary, " calls are under way, or ", kMaxUnaryBytes,
                       " bytes of them: call again later, or use InvokeStream, which waits")));
    }
    absl::StatusOr<Routed> routed =
        service_->Route(request.call(), context->client_metadata(), &refused);
    if (!routed.ok()) return Take(refused);
    shard::Invocation& invocation = routed->invocation;
    if (context->deadline() != std::chrono::system_clock::time_point::max()) {
      const auto left = context->deadline() - std::chrono::system_clock::now();
      invocation.deadline = service_->clock_->Now() + std::chrono::duration_cast<Duration>(left);
    }
    invocation.done = [self = self_](const pipeline::Answer& answer) { self->Take(answer); };
    std::vector<shard::Invocation> one;
    one.push_back(std::move(invocation));
    MutexLock lock(mu_);
    if (finished_) return;  // Cancelled already.
    shard_ = routed->shard;
    id_ = one[0].id;
    shard_->Invoke(std::move(one));  // Before whoever cancels gives it up.
  }

 private:
  void Take(const pipeline::Answer& answer) {
    {
      MutexLock lock(mu_);
      if (std::exchange(finished_, true)) return;
    }
    if (answer.code != absl::StatusCode::kOk) return Finish(ToStatus(answer));
    SetAnswer(answer, response_);
    Finish(grpc::Status::OK);
  }

  void OnCancel() override {
    {
      MutexLock lock(mu_);
      if (std::exchange(finished_, true)) return;
      // The shard gets it behind the call.
      if (shard_ != nullptr) shard_->GiveUp({id_});
    }
    Finish(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    --service_->unary_calls_;
    service_->unary_bytes_ -= bytes_;
    self_.reset();
  }
  // Reactions are short: each would cost a thread of gRPC's executor a wake.
  bool InternalInlineable() override { return true; }

  PipelineService* const service_;
  const size_t bytes_;
  host::v1::InvokeResponse* const response_;
  std::shared_ptr<Unary> self_;
  Mutex mu_;
  bool finished_ OUTBOARD_GUARDED_BY(mu_) = false;
  shard::Shard* shard_ OUTBOARD_GUARDED_BY(mu_) = nullptr;
  uint64_t id_ OUTBOARD_GUARDED_BY(mu_) = 0;
};

grpc::ServerUnaryReactor* PipelineService::Invoke(grpc::CallbackServerContext* context,
                                                  const host::v1::InvokeRequest* request,
                                                  host::v1::InvokeResponse* response) {
  const auto unary = std::make_shared<Unary>(this, *request, response);
  unary->Start(context, *request);
  return unary.get();
}

// ---- Streams
// -------------------------------------------------------------------------------------

// One InvokeStream call. Kept by gRPC until OnDone, and by the calls under way.
class PipelineService::Stream final
    : public grpc::ServerBidiReactor<host::v1::InvokeStreamRequest, host::v1::InvokeStreamResponse>,
      public std::enable_shared_from_this<Stream> {
 public:
  Stream(PipelineService* service, const Metadata& metadata, std::optional<access::Visit> visit)
      : service_(service), visit_(std::move(visit)), metadata_(metadata) {}

  void Start() {
    self_ = shared_from_this();
    if (++service_->streams_ <= kMaxStreams) return StartRead(&request_);
    {
      MutexLock lock(mu_);
      broken_ = requests_over_ = finished_ = true;
    }
    Finish(ToStatus(TooManyCalls(absl::StrCat(
        kMaxStreams, " streams are open: send more calls over each of fewer streams"))));
  }

 private:
  struct UnderWay {
    shard::Shard* shard = nullptr;
    uint64_t id = 0;
    size_t bytes = 0;
  };

  void OnReadDone(bool ok) override {
    if (!ok) {
      {
        MutexLock lock(mu_);
        requests_over_ = true;
      }
      return Advance();
    }
    const absl::Status allowed = visit_ ? visit_->Admit().status() : absl::OkStatus();
    std::map<shard::Shard*, std::vector<shard::Invocation>> invocations;
    for (int i = 0; i < request_.calls_size(); ++i) {
      if (!allowed.ok()) {
        MutexLock lock(mu_);
        Add(request_.calls(i).call_id(),
            Refusal(allowed.code(), "TOKEN_REFUSED", std::string(allowed.message())));
      } else if (static_cast<size_t>(i) < kMaxCalls) {
        Take(request_.calls(i), &invocations);
      } else {
        MutexLock lock(mu_);
        Add(request_.calls(i).call_id(),
            TooManyCalls(absl::StrCat("send at most ", kMaxCalls, " calls in one frame")));
      }
    }
    std::map<shard::Shard*, std::vector<uint64_t>> ids;
    for (auto& [shard, its] : invocations) {
      for (const shard::Invocation& invocation : its) ids[shard].push_back(invocation.id);
      shard->Invoke(std::move(its));
    }
    bool broken = false;
    {
      MutexLock lock(mu_);
      reading_ = false;
      broken = broken_;
    }
    // Whoever broke it may have given them up before they were there.
    if (broken) {
      for (auto& [shard, its] : ids) shard->GiveUp(std::move(its));
    }
    Advance();
  }

  void Take(const host::v1::StreamedCall& call,
            std::map<shard::Shard*, std::vector<shard::Invocation>>* invocations) {
    const uint64_t call_id = call.call_id();
    pipeline::Answer refused;
    absl::StatusOr<Routed> routed = service_->Route(call.call(), metadata_, &refused);
    if (!routed.ok()) {
      MutexLock lock(mu_);
      return Add(call_id, refused);
    }
    shard::Invocation& invocation = routed->invocation;
    if (call.has_time_left()) {
      const Duration left = std::chrono::seconds(std::clamp<int64_t>(call.time_left().seconds(), 0,
                                                                     int64_t{3600} * 24 * 366)) +
                            std::chrono::microseconds(call.time_left().nanos() / 1000);
      invocation.deadline = service_->clock_->Now() + left;
    }
    const size_t bytes = invocation.call->bytes.size();
    {
      MutexLock lock(mu_);
      if (broken_) return;
      const UnderWay entry{routed->shard, invocation.id, bytes};
      if (!under_way_.emplace(call_id, entry).second) {
        return Add(call_id, Refusal(absl::StatusCode::kInvalidArgument, "CALL_ID_IN_USE",
                                    absl::StrCat("call ", call_id,
                                                 " is under way on this stream: give each call "
                                                 "an id of its own")));
      }
      bytes_ += bytes;
    }
    invocation.done = [self = self_, call_id](const pipeline::Answer& answer) {
      {
        MutexLock lock(self->mu_);
        const auto found = self->under_way_.find(call_id);
        if (found == self->under_way_.end()) return;  // The stream broke.
        self->bytes_ -= found->second.bytes;
        self->under_way_.erase(found);
        self->Add(call_id, answer);
      }
      self->Advance();
    };
    (*invocations)[routed->shard].push_back(std::move(invocation));
  }

  void Add(uint64_t call_id, const pipeline::Answer& answer) OUTBOARD_REQUIRES(mu_) {
    StreamedAnswer out;
    out.set_call_id(call_id);
    if (answer.payload && answer.payload->size() > kMaxAnswerBytes) {
      pipeline::Answer large =
          Refusal(absl::StatusCode::kResourceExhausted, "ANSWER_TOO_LARGE",
                  absl::StrCat("the answer has ", answer.payload->size(),
                               " bytes, and a stream carries at most ", kMaxAnswerBytes,
                               ": use Invoke, and a client that takes so much"));
      large.stage = answer.stage;
      *out.mutable_error() = ToError(large);
    } else if (answer.code == absl::StatusCode::kOk) {
      SetAnswer(answer, &out);
    } else {
      *out.mutable_error() = ToError(answer);
    }
    answer_bytes_ += out.ByteSizeLong();
    answers_.push_back(std::move(out));
  }

  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(mu_);
      writing_ = false;
      broken_ = broken_ || !ok;
    }
    Advance();
  }

  void OnCancel() override {
    GiveUp();
    Advance();
  }

  void OnDone() override {
    GiveUp();
    --service_->streams_;
    self_.reset();
  }

  void GiveUp() OUTBOARD_EXCLUDES(mu_) {
    std::map<shard::Shard*, std::vector<uint64_t>> ids;
    {
      MutexLock lock(mu_);
      broken_ = true;
      for (const auto& [call_id, call] : under_way_) ids[call.shard].push_back(call.id);
      under_way_.clear();
      bytes_ = 0;
    }
    for (auto& [shard, its] : ids) shard->GiveUp(std::move(its));
  }

  // Starts what can be started: the next write, the next read, the end.
  void Advance() OUTBOARD_EXCLUDES(mu_) {
    bool write = false;
    bool read = false;
    bool finish = false;
    {
      MutexLock lock(mu_);
      if (broken_) {
        answers_.clear();
        answer_bytes_ = 0;
      }
      if (!writing_ && !answers_.empty() && !finished_) {
        response_.Clear();
        size_t bytes = 0;
        while (!answers_.empty()) {
          const size_t next = answers_.front().ByteSizeLong();
          if (bytes > 0 && bytes + next > kFrameBytes) break;
          bytes += next;
          answer_bytes_ -= next;
          *response_.add_answers() = std::move(answers_.front());
          answers_.pop_front();
        }
        writing_ = write = true;
      }
      const bool over = requests_over_ || broken_;
      const bool room = under_way_.size() < kMaxCalls && bytes_ < kMaxCallBytes &&
                        answers_.size() < kMaxCalls && answer_bytes_ < kMaxCallBytes;
      if (!reading_ && !over && room) reading_ = read = true;
      // A read may be about to start: it ends by itself, and says that the requests are over.
      const bool read_ended = !reading_ || requests_over_;
      if (over && read_ended && under_way_.empty() && answers_.empty() && !writing_ && !finished_)
        finished_ = finish = true;
    }
    if (write) StartWrite(&response_);
    if (read) StartRead(&request_);
    if (finish) Finish(grpc::Status::OK);
  }

  PipelineService* const service_;
  const std::optional<access::Visit> visit_;
  const Metadata metadata_;  // Of the context, which lives as long as the stream.
  std::shared_ptr<Stream> self_;
  host::v1::InvokeStreamRequest request_;
  host::v1::InvokeStreamResponse response_;
  Mutex mu_;
  absl::flat_hash_map<uint64_t, UnderWay> under_way_ OUTBOARD_GUARDED_BY(mu_);  // By call_id.
  size_t bytes_ OUTBOARD_GUARDED_BY(mu_) = 0;
  std::deque<StreamedAnswer> answers_ OUTBOARD_GUARDED_BY(mu_);
  size_t answer_bytes_ OUTBOARD_GUARDED_BY(mu_) = 0;
  bool reading_ OUTBOARD_GUARDED_BY(mu_) = true;
  bool writing_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool requests_over_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool broken_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool finished_ OUTBOARD_GUARDED_BY(mu_) = false;
};

grpc::ServerBidiReactor<host::v1::InvokeStreamRequest, host::v1::InvokeStreamResponse>*
PipelineService::InvokeStreamOf(grpc::CallbackServerContext* context,
                                std::optional<access::Visit> visit) {
  const auto stream = std::make_shared<Stream>(this, context->client_metadata(), std::move(visit));
  stream->Start();
  return stream.get();
}

}  // namespace outboard::admin
