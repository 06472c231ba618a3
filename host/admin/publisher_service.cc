#include "host/admin/publisher_service.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <deque>
#include <memory>
#include <optional>
#include <utility>

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

PublishResult ToProto(const bus::PublishResult& in) {
  if (!in.status.ok()) return Refusal(in.status);
  PublishResult result;
  result.set_confirmed(true);
  result.set_matched(in.matched);
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

const grpc::Status kMalformed(grpc::StatusCode::INVALID_ARGUMENT,
                              "the request is no protobuf message of this method");

}  // namespace

void PublisherService::Count(const bus::PublishResult& result) {
  if (!result.status.ok()) {
    ++counters_.failed;
    return;
  }
  ++counters_.confirmed;
  if (result.matched == 0) ++counters_.unmatched;
}

PublishCounters PublisherService::counters() const {
  MutexLock lock(mu_);
  return counters_;
}

void PublisherService::PublishAll(std::vector<std::string> bytes, Done done) {
  std::vector<PublishResult> results(bytes.size());
  std::vector<Event> events;
  std::vector<size_t> places;
  events.reserve(bytes.size());
  places.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    absl::StatusOr<Event> event = CheckEvent(std::move(bytes[i]), limits_);
    if (!event.ok()) {
      results[i] = Refusal(event.status());
      continue;
    }
    events.push_back(*std::move(event));
    places.push_back(i);
  }
  if (const size_t refused = results.size() - events.size(); refused > 0) {
    MutexLock lock(mu_);
    counters_.refused += refused;
  }
  if (events.empty()) return done(std::move(results));
  bus_->Publish(std::move(events), [this, came = clock_->Now(), results = std::move(results),
                                    places = std::move(places), done = std::move(done)](
                                       std::vector<bus::PublishResult> published) mutable {
    {
      MutexLock lock(mu_);
      counters_.confirm.Add(clock_->Now() - came);
      for (const bus::PublishResult& result : published) Count(result);
    }
    for (size_t i = 0; i < places.size(); ++i) results[places[i]] = ToProto(published[i]);
    done(std::move(results));
  });
}

grpc::ServerUnaryReactor* PublisherService::Publish(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request,
                                                    grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  wire::PublishRequest message;
  if (!Parse(*request, &message)) {
    reactor->Finish(kMalformed);
    return reactor;
  }
  PublishAll(TakeEvents(message), [reactor, response](std::vector<PublishResult> results) {
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
  explicit Stream(PublisherService* service) : service_(service) { StartRead(&request_); }

 private:
  struct Pending {
    uint64_t request_id = 0;
    size_t bytes = 0;
    bool answered = false;
    std::vector<PublishResult> results;
  };

  void OnReadDone(bool ok) override {
    if (!ok) return NoMoreRequests(grpc::Status::OK);
    wire::PublishStreamRequest message;
    if (!Parse(request_, &message)) return NoMoreRequests(kMalformed);
    Pending* pending;
    bool read_on;
    {
      MutexLock lock(mu_);
      pending = &pending_.emplace_back();
      pending->request_id = message.request_id();
      pending->bytes = request_.Length();
      bytes_ += pending->bytes;
      read_on = HasRoom();
      reading_ = read_on;
    }
    service_->PublishAll(TakeEvents(message), [this, pending](std::vector<PublishResult> results) {
      {
        MutexLock lock(mu_);
        pending->results = std::move(results);
        pending->answered = true;
      }
      Advance();
    });
    if (read_on) StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(mu_);
      writing_ = false;
      broken_ = broken_ || !ok;
    }
    Advance();
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
    if (read) StartRead(&request_);
    if (finish) Finish(*finish);
  }

  PublisherService* const service_;
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
  bool done_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::optional<grpc::Status> status_
      OUTBOARD_GUARDED_BY(mu_);  // No more requests; how the call ends.
};

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* PublisherService::PublishStream(
    grpc::CallbackServerContext*) {
  return new Stream(this);
}

}  // namespace outboard::admin
