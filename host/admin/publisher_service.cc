#include "host/admin/publisher_service.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "host/admin/grpc_status.h"
#include "host/admin/receipt_proto.h"
#include "host/base/mutex.h"
#include "host/plugin/wire.pb.h"

namespace outboard::admin {
namespace {

using host::v1::PublishResult;

// One stream's requests that the bus has not answered; beyond this the publisher is not read.
constexpr size_t kMaxUnderWay = 64;
constexpr size_t kMaxBytesUnderWay = 16 << 20;

PublishResult Refusal(const absl::Status& status) {
  PublishResult result;
  result.set_code(static_cast<int32_t>(status.code()));
  result.set_message(std::string(status.message()));
  return result;
}

PublishResult ToProto(const ingress::Result& in) {
  if (!in.status.ok()) return Refusal(in.status);
  PublishResult result;
  if (in.dropped()) {
    result.set_dropped_by(in.stage);
    return result;
  }
  result.set_confirmed(true);
  result.set_matched(in.matched);
  result.set_offset(in.offset);
  for (const bus::Receipt& receipt : in.receipts) SetReceipt(receipt, result.add_receipts());
  result.set_reporting(in.asked ? in.reporting : 0);
  return result;
}

template <typename Message>
bool Parse(const grpc::ByteBuffer& buffer, Message* message) {
  grpc::ByteBuffer copy = buffer;  // Shares the slices.
  return grpc::GenericDeserialize<grpc::ProtoBufferReader, Message>(&copy, message).ok();
}

template <typename Message>
void Write(const Message& message, grpc::ByteBuffer* buffer) {
  bool own = false;
  grpc::GenericSerialize<grpc::ProtoBufferWriter, Message>(message, buffer, &own);
}

template <typename Request>
std::vector<std::string> TakeEvents(Request& request) {
  std::vector<std::string> events;
  events.reserve(static_cast<size_t>(request.events_size()));
  for (std::string& event : *request.mutable_events()) events.push_back(std::move(event));
  return events;
}

constexpr Duration kMostWait = std::chrono::minutes(5);

// Zero: no receipts are asked for.
template <typename Request>
absl::StatusOr<Duration> ReceiptsWithin(const Request& request) {
  if (!request.has_receipts_within()) return Duration::zero();
  const google::protobuf::Duration& in = request.receipts_within();
  const bool sane = in.seconds() >= 0 && in.seconds() <= 300 && in.nanos() >= 0;
  const Duration within = sane ? Duration(std::chrono::seconds(in.seconds())) +
                                     std::chrono::microseconds(in.nanos() / 1000)
                               : Duration::zero();
  if (within > Duration::zero() && within <= kMostWait) return within;
  return absl::InvalidArgumentError(
      "receipts_within is not between 1 microsecond and 5 minutes: set how long to wait for the "
      "ends of the events, or leave it out");
}

const grpc::Status kMalformed(grpc::StatusCode::INVALID_ARGUMENT,
                              "the request is no protobuf message of this method");

}  // namespace

void PublisherService::PublishAll(const Publisher& from, std::vector<std::string> bytes,
                                  const ingress::Ingress::Asked& asked, ingress::Room room,
                                  Done done, const std::shared_ptr<ingress::Order>& order) {
  std::vector<PublishResult> results(bytes.size());
  std::vector<Event> events;
  std::vector<size_t> places;
  events.reserve(bytes.size());
  places.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    absl::StatusOr<Event> event = CheckEvent(std::move(bytes[i]), limits_);
    absl::Status status = event.status();
    if (status.ok() && from.tokens != nullptr)
      status = from.tokens->CheckType(*from.caller, event->type());
    if (!status.ok()) {
      results[i] = Refusal(status);
      continue;
    }
    events.push_back(*std::move(event));
    places.push_back(i);
  }
  if (const size_t refused = results.size() - events.size(); refused > 0)
    ingress_->CountRefused(ingress::Protocol::kGrpc, refused);
  if (events.empty()) return done(std::move(results));
  // Callers have a deadline of their own, and streams wait for the bus as long as it takes.
  ingress_->Publish(
      ingress::Protocol::kGrpc, std::move(events), std::move(room), Duration::zero(),
      [results = std::move(results), places = std::move(places),
       done = std::move(done)](std::vector<ingress::Result> published) mutable {
        for (size_t i = 0; i < places.size(); ++i) results[places[i]] = ToProto(published[i]);
        done(std::move(results));
      },
      order, asked);
}

absl::StatusOr<ingress::Ingress::Asked> PublisherService::AskForReceipts(Duration within,
                                                                         size_t events) {
  ingress::Ingress::Asked asked;
  if (within == Duration::zero()) return asked;
  asked = {ingress_->AskForReceipts(events), within};
  if (asked.wait != nullptr) return asked;
  ingress_->CountPushedBack(ingress::Protocol::kGrpc, events);
  return absl::ResourceExhaustedError(ingress::Ingress::kTooManyWait);
}

// A call that waits for receipts: as long as its caller does.
class PublisherService::Waiting final : public grpc::ServerUnaryReactor {
 public:
  explicit Waiting(std::shared_ptr<ingress::Receipts::Wait> wait) : wait_(std::move(wait)) {}

 private:
  void OnCancel() override { wait_->GiveUp(); }
  void OnDone() override { delete this; }

  const std::shared_ptr<ingress::Receipts::Wait> wait_;
};

grpc::ServerUnaryReactor* PublisherService::PublishFrom(const Publisher& from,
                                                        grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request,
                                                        grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  wire::PublishRequest message;
  if (!Parse(*request, &message)) {
    reactor->Finish(kMalformed);
    return reactor;
  }
  const absl::StatusOr<Duration> receipts_within = ReceiptsWithin(message);
  if (!receipts_within.ok()) {
    reactor->Finish(ToGrpc(receipts_within.status()));
    return reactor;
  }
  ingress::Room room = ingress_->NewRoom();
  const auto count = static_cast<size_t>(message.events_size());
  if (!room.Take({request->Length(), count})) {
    ingress_->CountPushedBack(ingress::Protocol::kGrpc, count);
    reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, ingress_->PushBackText()});
    return reactor;
  }
  const auto asked = AskForReceipts(*receipts_within, count);
  if (!asked.ok()) {
    reactor->Finish(ToGrpc(asked.status()));
    return reactor;
  }
  if (asked->wait) reactor = new Waiting(asked->wait);
  PublishAll(from, TakeEvents(message), *asked, std::move(room),
             [reactor, response](std::vector<PublishResult> results) {
               host::v1::PublishResponse answer;
               for (PublishResult& result : results) *answer.add_results() = std::move(result);
               Write(answer, response);
               reactor->Finish(grpc::Status::OK);
             });
  return reactor;
}

// ---- Streams
// -------------------------------------------------------------------------------------

// One PublishStream call. Deletes itself when gRPC is done with it and the bus owes it no answer.
class PublisherService::Stream final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Stream(PublisherService* service, Publisher from) : service_(service), from_(std::move(from)) {
    StartRead(&request_);
  }

 private:
  struct Pending {
    uint64_t request_id = 0;
    size_t bytes = 0;
    bool answered = false;
    std::vector<PublishResult> results;
    std::weak_ptr<ingress::Receipts::Wait> wait = {};
  };

  void OnReadDone(bool ok) override {
    if (!ok) return NoMoreRequests(grpc::Status::OK);
    if (from_.visit) {
      const auto still = from_.visit->Admit();
      if (!still.ok()) return NoMoreRequests(ToGrpc(still.status()));
      from_.caller = *still;
    }
    wire::PublishStreamRequest message;
    if (!Parse(request_, &message)) return NoMoreRequests(kMalformed);
    const absl::StatusOr<Duration> receipts_within = ReceiptsWithin(message);
    if (!receipts_within.ok()) return NoMoreRequests(ToGrpc(receipts_within.status()));
    Pending* pending;
    {
      MutexLock lock(mu_);
      pending = &pending_.emplace_back();
      pending->request_id = message.request_id();
      pending->bytes = request_.Length();
      bytes_ += pending->bytes;
    }
    // It was read already; what is beyond the bound holds up the next read.
    ingress::Room room = service_->ingress_->NewRoom();
    room.TakeAnyway({request_.Length(), static_cast<size_t>(message.events_size())});
    const auto count = static_cast<size_t>(message.events_size());
    const auto asked = service_->AskForReceipts(*receipts_within, count);
    if (!asked.ok()) return Refuse(pending, count, asked.status());
    if (asked->wait) {
      bool cancelled;
      {
        MutexLock lock(mu_);
        pending->wait = asked->wait;
        cancelled = cancelled_;
      }
      if (cancelled) asked->wait->GiveUp();
    }
    service_->PublishAll(
        from_, TakeEvents(message), *asked, std::move(room),
        [this, pending](std::vector<PublishResult> results) {
          {
            MutexLock lock(mu_);
            pending->results = std::move(results);
            pending->answered = true;
          }
          Advance();
        },
        order_);
    EndRead();
  }

  // Not before the request is on its way, or the next one could overtake it.
  void EndRead() {
    {
      MutexLock lock(mu_);
      reading_ = false;
    }
    Advance();
  }

  // Nothing of this request is published.
  void Refuse(Pending* pending, size_t events, const absl::Status& why) {
    {
      MutexLock lock(mu_);
      pending->results.assign(events, Refusal(why));
      pending->answered = true;
    }
    EndRead();
  }

  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(mu_);
      writing_ = false;
      broken_ = broken_ || !ok;
    }
    Advance();
  }

  // Nobody listens any more.
  void OnCancel() override {
    std::vector<std::shared_ptr<ingress::Receipts::Wait>> waits;
    {
      MutexLock lock(mu_);
      cancelled_ = true;
      for (const Pending& pending : pending_) {
        if (auto wait = pending.wait.lock()) waits.push_back(std::move(wait));
      }
    }
    for (const auto& wait : waits) wait->GiveUp();
  }

  void OnDone() override {
    bool free;
    {
      MutexLock lock(mu_);
      done_ = true;
      free = pending_.empty();
    }
    if (free) delete this;
  }

  // `reading_` is set. Until there is room the call cannot end, so this stays.
  void ReadOn() {
    const auto read = [this] { StartRead(&request_); };
    if (!service_->ingress_->bound().CallWhenRoom(read)) read();
  }

  bool HasRoom() const OUTBOARD_REQUIRES(mu_) {
    return pending_.size() < kMaxUnderWay && bytes_ < kMaxBytesUnderWay;
  }

  void NoMoreRequests(grpc::Status status) {
    {
      MutexLock lock(mu_);
      status_ = std::move(status);
    }
    Advance();
  }

  // Starts what can be started: the next answer in order, the next read, the end.
  void Advance() {
    bool write = false;
    bool read = false;
    bool free = false;
    std::optional<grpc::Status> finish;
    {
      MutexLock lock(mu_);
      while (!writing_ && !pending_.empty() && pending_.front().answered) {
        Pending pending = std::move(pending_.front());
        pending_.pop_front();
        bytes_ -= pending.bytes;
        if (done_ || broken_ || finished_) continue;
        host::v1::PublishStreamResponse answer;
        answer.set_request_id(pending.request_id);
        for (PublishResult& result : pending.results) *answer.add_results() = std::move(result);
        response_.Clear();
        Write(answer, &response_);
        writing_ = write = true;
      }
      if (!reading_ && !status_ && HasRoom() && !done_) reading_ = read = true;
      if (status_ && pending_.empty() && !writing_ && !finished_ && !done_) {
        finished_ = true;
        finish = *status_;
      }
      free = done_ && pending_.empty();
    }
    if (free) {
      delete this;
      return;
    }
    if (write) StartWrite(&response_);
    if (read) ReadOn();
    if (finish) Finish(*finish);
  }

  PublisherService* const service_;
  Publisher from_;  // On the reading thread.
  const std::shared_ptr<ingress::Order> order_ = std::make_shared<ingress::Order>();
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  Mutex mu_;
  std::deque<Pending> pending_
      OUTBOARD_GUARDED_BY(mu_);  // References stay valid while at the back.
  size_t bytes_ OUTBOARD_GUARDED_BY(mu_) = 0;
  bool reading_ OUTBOARD_GUARDED_BY(mu_) = true;
  bool writing_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool broken_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool finished_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool cancelled_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool done_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::optional<grpc::Status> status_
      OUTBOARD_GUARDED_BY(mu_);  // No more requests; how the call ends.
};

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* PublisherService::PublishStreamFrom(
    Publisher from) {
  return new Stream(this, std::move(from));
}

}  // namespace outboard::admin
