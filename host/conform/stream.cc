#include "host/conform/stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "host/conform/status_words.h"

namespace outboard::conform {
namespace {

const char* MethodOf(v1::Role role) {
  if (role == v1::ROLE_STAGE) return "/outboard.plugin.v1.StageService/Process";
  if (role == v1::ROLE_PRODUCER) return "/outboard.plugin.v1.ProducerService/Produce";
  return "/outboard.plugin.v1.WorkerService/Handle";
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

}  // namespace

void Stream::Start(const std::shared_ptr<grpc::Channel>& channel) {
  self_ = shared_from_this();
  stub_ = std::make_unique<grpc::TemplatedGenericStub<HostFrame, grpc::ByteBuffer>>(channel);
  context_.set_wait_for_ready(false);
  stub_->PrepareBidiStreamingCall(&context_, MethodOf(role_), grpc::StubOptions(), this);
  AddHold();  // Until the reads are over: writes start outside of reactions.
  StartRead(&response_);
  StartCall();
}

void Stream::Send(HostFrame frame, bool last) {
  {
    MutexLock lock(mu_);
    audit_.Sent(frame);
    transcript_.Add(Transcript::Who::kHost, Words(frame));
    outbox_.push_back(std::move(frame));
    if (last) transcript_.Add(Transcript::Who::kHost, "half-close");
    half_close_ = half_close_ || last;
  }
  Kick();
}

void Stream::HalfClose() {
  {
    MutexLock lock(mu_);
    if (half_close_) return;
    half_close_ = true;
    transcript_.Add(Transcript::Who::kHost, "half-close");
  }
  Kick();
}

void Stream::Cancel() {
  {
    MutexLock lock(mu_);
    if (end_ || cancelled_) return;
    cancelled_ = true;
    transcript_.Add(Transcript::Who::kHost, "cancels the stream");
  }
  context_.TryCancel();
}

void Stream::Kick() {
  bool half_close = false;
  {
    MutexLock lock(mu_);
    if (reads_over_ || writing_ || (outbox_.empty() && !half_close_)) return;
    writing_ = true;  // After a half-close for good.
    half_close = outbox_.empty();
    if (!half_close) {
      request_ = std::move(outbox_.front());
      outbox_.pop_front();
    }
    AddHold();
  }
  if (half_close) {
    StartWritesDone();
  } else {
    StartWrite(&request_);
  }
  RemoveHold();
}

void Stream::OnWriteDone(bool ok) {
  {
    MutexLock lock(mu_);
    writing_ = false;
    if (!ok) return;  // The read side tells the end.
  }
  Kick();
}

void Stream::Take(const std::string& bytes) {
  ++came_;
  const absl::StatusOr<PluginFrame> frame = ReadFrame(role_, bytes);
  if (!frame.ok()) {
    audit_.CameUnreadable(bytes.size(), frame.status().message());
    transcript_.Add(Transcript::Who::kPlugin, std::string(frame.status().message()));
    return;
  }
  audit_.Came(*frame);
  if (keep_answers_) {
    for (const uint64_t id : frame->bare_ids)
      answers_.try_emplace(id).first->second.outcome = kGood;
    for (const Answer& answer : frame->verdicts) answers_.try_emplace(answer.id, answer);
  }
  transcript_.Add(Transcript::Who::kPlugin, Words(role_, *frame));
}

void Stream::OnReadDone(bool ok) {
  {
    MutexLock lock(mu_);
    if (ok) Take(ToString(response_));
    if (!ok) reads_over_ = true;
    changed_.NotifyAll();
  }
  if (ok) return StartRead(&response_);
  RemoveHold();
}

void Stream::OnDone(const grpc::Status& status) {
  std::shared_ptr<Stream> last;  // May be what keeps this alive: nothing is touched after it.
  MutexLock lock(mu_);
  end_ = status;
  const std::string words = StatusWords(status.error_code(), status.error_message());
  transcript_.Add(Transcript::Who::kPlugin, "ends the stream: " + words);
  if (!half_close_ && !cancelled_) audit_.EndedUnasked(words);
  changed_.NotifyAll();
  last.swap(self_);
}

}  // namespace outboard::conform
