#include "src/session_core.h"

#include <cstdio>
#include <utility>

#include "outboard/plugin/v1/session.pb.h"
#include "src/component.h"
#include "src/runtime.h"
#include "src/wire.h"

namespace outboard::internal {
namespace {

// So many answers fill a frame well; and so long one may wait for others while the threads are
// busy.
constexpr size_t kFullFrame = 128;
constexpr std::chrono::milliseconds kLinger(1);

// Codes of gRPC, which this file does not see.
constexpr int kCancelled = 1;
constexpr int kInvalidArgument = 3;
constexpr int kNotFound = 5;
constexpr int kFailedPrecondition = 9;

}  // namespace

SessionCore::SessionCore(Runtime* runtime, Role role, Transport* transport)
    : runtime_(runtime),
      role_(role),
      transport_(transport),
      answers_(runtime->max_response_bytes()) {}

bool SessionCore::OnFrame(std::string_view bytes, std::shared_ptr<const void> keep) {
  Frame frame;
  if (!ParseFrame(bytes, &frame)) {
    return End(kInvalidArgument,
               "a frame is not a request of outboard.plugin.v1, or a delivery has id 0");
  }
  if (frame.has_open && !OnOpen(frame.open)) return false;
  if (component_ == nullptr) return End(kInvalidArgument, "the first frame of a session is Open");
  if (!frame.deliveries.empty()) Enqueue(std::move(frame.deliveries), std::move(keep));
  if (!frame.cancel_ids.empty()) Cancel(frame.cancel_ids);
  if (frame.has_close) OnClose(frame.close);
  return !frame.has_close;
}

bool SessionCore::OnOpen(std::string_view bytes) {
  plugin::v1::Open open;
  if (component_ != nullptr) return End(kInvalidArgument, "Open is the first frame only");
  if (!open.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return End(kInvalidArgument, "Open cannot be parsed");
  }
  component_ = runtime_->Find(role_, open.component());
  if (component_ == nullptr) {
    return End(kNotFound, std::string("no ") + RoleName(role_) + " '" + open.component() +
                              "' here: " + runtime_->NamesOf(role_));
  }
  info_ = {open.host(), open.component(), open.config_json(), std::nullopt};
  if (open.has_time_limit()) {
    info_.time_limit = std::chrono::seconds(open.time_limit().seconds()) +
                       std::chrono::nanoseconds(open.time_limit().nanos());
  }
  runtime_->Configure(open.config_json(), [self = shared_from_this()](const std::string& fault) {
    self->OnConfigured(fault);
  });
  return true;
}

void SessionCore::OnConfigured(const std::string& fault) {
  Next next;
  {
    std::lock_guard lock(mutex_);
    if (fault.empty()) {
      answers_.AddOpened(runtime_->instance_id());
    } else {
      end_ = StreamEnd{kFailedPrecondition, Utf8(fault)};
    }
    next = Decide(/*now=*/true);
  }
  Do(std::move(next));
}

void SessionCore::Enqueue(std::vector<Delivery> deliveries, std::shared_ptr<const void> keep) {
  auto batch = std::make_shared<Batch>();
  batch->session = shared_from_this();
  batch->bytes = std::move(keep);
  batch->deliveries = std::move(deliveries);
  {
    std::lock_guard lock(mutex_);
    unanswered_ += batch->deliveries.size();
  }
  component_->Push(std::move(batch));
}

void SessionCore::Cancel(const std::vector<uint64_t>& ids) {
  std::lock_guard lock(mutex_);
  if (unanswered_ == 0) return;
  cancelled_.insert(ids.begin(), ids.end());
  any_cancelled_ = true;
}

bool SessionCore::Cancelled(uint64_t delivery_id) {
  if (discarded()) return true;
  if (!any_cancelled_.load(std::memory_order_relaxed)) return false;
  std::lock_guard lock(mutex_);
  return cancelled_.count(delivery_id) > 0;
}

void SessionCore::OnClose(std::string_view bytes) {
  plugin::v1::Close close;
  const bool parsed = close.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  if (parsed && close.cause() == plugin::v1::Close::CAUSE_PROTOCOL_ERROR) {
    std::fprintf(stderr, "outboard: the host ended a session of %s '%s': %s\n", RoleName(role_),
                 info_.component.c_str(), close.message().c_str());
    discarded_ = true;
    End(0, "");
    return;
  }
  Next next;
  {
    std::lock_guard lock(mutex_);
    draining_ = true;
    next = Decide(/*now=*/true);
  }
  Do(std::move(next));
}

void SessionCore::OnReadsEnded() {
  {
    std::lock_guard lock(mutex_);
    if (draining_ || end_) return;
  }
  Lose();
}

void SessionCore::OnCancelled() { Lose(); }

void SessionCore::Lose() {
  discarded_ = true;
  End(kCancelled, "the host is gone");
}

bool SessionCore::End(int code, std::string message) {
  Next next;
  {
    std::lock_guard lock(mutex_);
    if (!end_) end_ = StreamEnd{code, std::move(message)};
    next = Decide(/*now=*/true);
  }
  Do(std::move(next));
  return false;
}

void SessionCore::Answer(uint64_t delivery_id, const Verdict& verdict) {
  Next next;
  {
    std::lock_guard lock(mutex_);
    answers_.AddVerdict(delivery_id, verdict);
    const bool last = --unanswered_ == 0;  // There is none to wait for.
    if (last && any_cancelled_.load(std::memory_order_relaxed)) {
      cancelled_.clear();
      any_cancelled_ = false;
    }
    next = Decide(/*now=*/last);
  }
  Do(std::move(next));
}

void SessionCore::Progress(uint64_t delivery_id) {
  Next next;
  {
    std::lock_guard lock(mutex_);
    answers_.AddProgress(delivery_id);
    next = Decide(/*now=*/false);
  }
  Do(std::move(next));
}

void SessionCore::Flush() {
  Next next;
  {
    std::lock_guard lock(mutex_);
    flush_ = writing_;
    next = Decide(/*now=*/true);
  }
  Do(std::move(next));
}

void SessionCore::OnAlarm() {
  Next next;
  {
    std::lock_guard lock(mutex_);
    alarm_set_ = false;
    next = Decide(/*now=*/true);
  }
  Do(std::move(next));
}

void SessionCore::OnWriteDone(bool ok) {
  if (!ok) discarded_ = true;
  Next next;
  {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok && !end_) end_ = StreamEnd{kCancelled, "the host is gone"};
    next = Decide(/*now=*/std::exchange(flush_, false));
  }
  Do(std::move(next));
}

bool SessionCore::MayWait() {
  if (answers_.count() >= kFullFrame) return false;
  if (alarm_set_) return true;
  if (std::chrono::steady_clock::now() - last_write_ >= kLinger) return false;
  alarm_set_ = true;
  transport_->SetAlarm(kLinger);
  return true;
}

SessionCore::Next SessionCore::Decide(bool now) {
  Next next;
  if (writing_ || finished_) return next;
  if (end_) {
    finished_ = true;
    return {Action::kFinish, "", *end_};
  }
  const bool drained = draining_ && unanswered_ == 0;
  if (!answers_.empty()) {
    if (!now && !drained && MayWait()) return next;
    writing_ = true;
    last_write_ = std::chrono::steady_clock::now();
    return {Action::kWrite, answers_.Take(), {}};
  }
  if (!drained) return next;
  finished_ = true;
  return {Action::kFinish, "", {}};
}

void SessionCore::Do(Next next) {
  if (next.action == Action::kWrite) transport_->Write(std::move(next.frame));
  if (next.action == Action::kFinish) transport_->Finish(next.end);
}

}  // namespace outboard::internal
