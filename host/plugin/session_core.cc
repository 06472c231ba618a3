#include "host/plugin/session_core.h"

#include <utility>

namespace outboard::plugin {
namespace {

using outboard::plugin::v1::Close;

Close ToProto(const lane::CloseSession& in) {
  Close close;
  close.set_cause(in.cause == lane::CloseCause::kDrain ? Close::CAUSE_DRAIN
                                                       : Close::CAUSE_PROTOCOL_ERROR);
  close.set_message(in.message);
  if (in.cause == lane::CloseCause::kDrain) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(in.time_left);
    close.mutable_time_left()->set_seconds(seconds.count());
    close.mutable_time_left()->set_nanos(
        static_cast<int32_t>((in.time_left - seconds).count() * 1000));
  }
  return close;
}

}  // namespace

SessionCore::SessionCore(lane::SessionId id, lane::Role role, outboard::plugin::v1::Open open,
                         SessionSink* sink)
    : id_(id), role_(role), sink_(sink) {
  wire::Request request;
  *request.mutable_open() = std::move(open);
  MutexLock lock(mu_);
  queue_.push_back(request.SerializeAsString());
}

void SessionCore::Send(const lane::SendFrame& frame, const RouteNames& routes) {
  std::string bytes = EncodeDeliveries(frame, routes);
  MutexLock lock(mu_);
  if (!closing_) queue_.push_back(std::move(bytes));
}

void SessionCore::Cancel(lane::CancelDeliveries cancel) {
  wire::Request request;
  request.mutable_cancel_ids()->Add(cancel.ids.begin(), cancel.ids.end());
  MutexLock lock(mu_);
  if (!closing_) queue_.push_back(request.SerializeAsString());
}

void SessionCore::SendSignOfLife() {
  MutexLock lock(mu_);
  if (!closing_ && queue_.empty()) queue_.emplace_back();
}

void SessionCore::Close(const lane::CloseSession& close) {
  wire::Request request;
  *request.mutable_close() = ToProto(close);
  MutexLock lock(mu_);
  if (closing_) return;
  closing_ = true;
  // A plugin that broke the contract need not read what it was meant to handle.
  if (close.cause == lane::CloseCause::kProtocolError) queue_.clear();
  queue_.push_back(request.SerializeAsString());
}

bool SessionCore::HasWrite() {
  MutexLock lock(mu_);
  return state_ != State::kEnded && (!queue_.empty() || (closing_ && !half_closed_));
}

SessionCore::Write SessionCore::TakeWrite(std::string* frame) {
  MutexLock lock(mu_);
  if (state_ == State::kEnded) return Write::kNothing;
  if (!queue_.empty()) {
    *frame = std::move(queue_.front());
    queue_.pop_front();
    return Write::kFrame;
  }
  if (closing_ && !half_closed_) {
    half_closed_ = true;
    return Write::kHalfClose;
  }
  return Write::kNothing;
}

bool SessionCore::OnRead(wire::Response* response) {
  const bool opens = response->has_opened();
  bool first;
  {
    MutexLock lock(mu_);
    if (state_ == State::kBroken || state_ == State::kEnded) return false;
    first = state_ == State::kOpening;
    if (first && opens) state_ = State::kOpen;
  }
  // The carrier reads one frame after the other: nobody else changes kOpening and kOpen.
  absl::StatusOr<lane::AnswersArrived> answers = absl::InvalidArgumentError(
      "the first frame has no opened: answer open with opened, and nothing before it");
  if (!first || opens) {
    if (first) {
      sink_->OnOpened(id_, response->opened().instance_id());
      response->clear_opened();
    }
    answers = ToAnswers(id_, role_, response);
  }
  if (!answers.ok()) {
    {
      MutexLock lock(mu_);
      if (state_ != State::kEnded) state_ = State::kBroken;
    }
    sink_->OnBroken(id_, std::string(answers.status().message()));
    return false;
  }
  sink_->OnAnswers(*std::move(answers));
  return true;
}

void SessionCore::OnEnd(absl::Status status) {
  {
    MutexLock lock(mu_);
    if (state_ == State::kEnded) return;
    state_ = State::kEnded;
    queue_.clear();
  }
  sink_->OnEnded(id_, std::move(status));
}

}  // namespace outboard::plugin
