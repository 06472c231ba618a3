#include "host/app/cli/publish_stream.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"

namespace outboard::app {
namespace {

constexpr int kBatchEvents = 256;
constexpr size_t kBatchBytes = 1 << 20;
constexpr size_t kMaxUnanswered = 16;  // Requests.
constexpr size_t kMaxTypes = 20;

// True if all of it was written.
bool WriteAll(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) done += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

PublishStream::PublishStream(Client* client, int confirmed_log) : confirmed_log_(confirmed_log) {
  client->Authorize(&context_);
  stream_ = client->publisher().PublishStream(&context_);
  reader_ = std::thread([this] { ReadAnswers(); });
}

PublishStream::~PublishStream() {
  if (!finished_) {
    context_.TryCancel();
    Finish();
  }
}

bool PublishStream::Add(const Event& event, uint64_t line, const volatile bool& stop) {
  // The bytes were written by the same contract, so they parse.
  OUTBOARD_CHECK(
      request_.add_events()->ParseFromArray(event.bytes().data(), static_cast<int>(event.size())));
  batch_.events.push_back({line, std::string(event.id()), std::string(event.type())});
  request_bytes_ += event.size();
  const bool full = request_.events_size() >= kBatchEvents || request_bytes_ >= kBatchBytes;
  return !full || Flush(stop);
}

bool PublishStream::WaitForRoom(const volatile bool& stop) {
  MutexLock lock(mu_);
  while (!broken_ && tally_.refused == 0 && !stop && unanswered_.size() >= kMaxUnanswered) {
    changed_.WaitFor(mu_, std::chrono::milliseconds(100));  // A signal wakes nobody: look for it.
  }
  return !broken_ && tally_.refused == 0 && !stop;
}

bool PublishStream::Flush(const volatile bool& stop) {
  const bool room = WaitForRoom(stop);
  if (batch_.events.empty() || !room) return room;
  batch_.request_id = next_request_++;
  request_.set_request_id(batch_.request_id);
  {
    MutexLock lock(mu_);
    unanswered_.push_back(std::move(batch_));
  }
  const bool written = stream_->Write(request_);
  request_.Clear();
  request_bytes_ = 0;
  batch_ = Batch();
  return written;
}

grpc::Status PublishStream::Finish() {
  finished_ = true;
  stream_->WritesDone();
  reader_.join();
  grpc::Status status = stream_->Finish();
  MutexLock lock(mu_);
  // What was added and not sent is as open as what was sent and not answered.
  if (!batch_.events.empty()) unanswered_.push_back(std::move(batch_));
  if (!unanswered_.empty() && tally_.first_open_line == 0) {
    tally_.first_open_line = unanswered_.front().events.front().line;
  }
  if (!fault_.empty()) return grpc::Status(grpc::StatusCode::INTERNAL, fault_);
  if (status.ok() && !unanswered_.empty() && tally_.refused == 0) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE,
                        "the host ended the stream before its last answer");
  }
  return status;
}

PublishTally PublishStream::tally() {
  MutexLock lock(mu_);
  return tally_;
}

void PublishStream::ReadAnswers() {
  host::v1::PublishStreamResponse response;
  while (stream_->Read(&response)) {
    if (!Take(response)) {
      context_.TryCancel();
      break;
    }
  }
  MutexLock lock(mu_);
  broken_ = true;
  changed_.NotifyAll();
}

bool PublishStream::Take(const host::v1::PublishStreamResponse& response) {
  std::string log;
  {
    MutexLock lock(mu_);
    if (unanswered_.empty() || unanswered_.front().request_id != response.request_id() ||
        unanswered_.front().events.size() != static_cast<size_t>(response.results_size())) {
      fault_ = "the host answered what was not asked; it may be of another version";
      return false;
    }
    const Batch& batch = unanswered_.front();
    for (size_t i = 0; i < batch.events.size(); ++i) {
      const host::v1::PublishResult& result = response.results(static_cast<int>(i));
      Count(batch.events[i], result);
      if (result.confirmed() && confirmed_log_ >= 0)
        absl::StrAppend(&log, batch.events[i].id, "\n");
    }
    unanswered_.pop_front();
    changed_.NotifyAll();
  }
  if (log.empty() || WriteAll(confirmed_log_, log)) return true;
  MutexLock lock(mu_);
  fault_ = absl::StrCat("cannot write --confirmed-log: ", std::strerror(errno),
                        "; make room, or leave it out");
  return false;
}

void PublishStream::Count(const Sent& sent, const host::v1::PublishResult& result) {
  if (!result.dropped_by().empty()) {
    ++tally_.dropped;
    return;
  }
  if (!result.confirmed()) {
    if (tally_.refused++ == 0) {
      tally_.first_open_line = sent.line;
      tally_.refusal = result.message();
    }
    return;
  }
  ++tally_.confirmed;
  if (tally_.first_open_line != 0) ++tally_.confirmed_after_open;
  if (result.matched() > 0) return;
  ++tally_.unmatched;
  if (tally_.unmatched_types.size() < kMaxTypes || tally_.unmatched_types.count(sent.type) > 0) {
    ++tally_.unmatched_types[sent.type];
  }
}

}  // namespace outboard::app
