#include "plugins/faulty/session.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "plugins/faulty/process_faults.h"

namespace outboard::faulty {

using plugin::v1::Close;

namespace {

Session::Response EarlyAnswer() {
  Session::Response frame;
  frame.add_done_ids(1);
  return frame;
}

}  // namespace

Session* Session::Start(Shared& shared) {
  auto session = std::shared_ptr<Session>(new Session(shared));
  session->self_ = session;
  ++shared.sessions;
  session->StartRead(&session->request_);
  return session.get();
}

void Session::OnReadDone(bool ok) {
  if (!ok) return OnReadsEnded();
  if (request_.has_open()) Open(request_.open());
  bool deaf;
  {
    std::lock_guard lock(mutex_);
    for (Delivery& delivery : *request_.mutable_deliveries()) {
      queue_.emplace_back().Swap(&delivery);
    }
    if (request_.has_close() && !shared_.options.ignore_everything) {
      if (request_.close().cause() == Close::CAUSE_PROTOCOL_ERROR) {
        std::fprintf(stderr, "outboard-faulty: the host closed the session: %s\n",
                     request_.close().message().c_str());
        queue_.clear();
      }
      OnClose();
    }
    cancelled_.insert(request_.cancel_ids().begin(), request_.cancel_ids().end());
    deaf = deaf_;
  }
  changed_.notify_all();
  request_.Clear();
  Pump();
  if (!deaf) StartRead(&request_);
}

void Session::OnClose() {
  RunProcessFault(shared_.options.at_close);
  const std::string& fault = shared_.options.at_close.name;
  if (fault == "silent") return;  // As if it had not come.
  draining_ = true;
  if (fault == "end-error") end_status_ = {grpc::StatusCode::INTERNAL, "ended on purpose"};
  if (fault == "drop") {
    ending_ = true;
    queue_.clear();
  }
}

void Session::OnReadsEnded() {
  if (shared_.options.at_close.name == "silent") return;
  {
    std::lock_guard lock(mutex_);
    if (draining_) return;
  }
  Drop();  // The host is lost: only it could send Close.
}

void Session::Open(const plugin::v1::Open& open) {
  config_ = open.config_json();
  const Fault& fault = shared_.options.at_open;
  // A thread of its own: the fault may block, and gRPC's threads are few.
  std::thread([self = self_, fault, component = open.component()] {
    const bool permitted = fault.name != "done" && self->shared_.plan.Permit();
    const auto& names = self->shared_.options.components;
    if (std::find(names.begin(), names.end(), component) == names.end() &&
        !(permitted && fault.name == "any-component")) {
      return self->End({grpc::StatusCode::NOT_FOUND, "no component '" + component + "' here"});
    }
    if (permitted) {
      if (fault.name == "silent") return;
      if (fault.name == "end-ok") return self->End(grpc::Status::OK);
      if (fault.name == "end-error") {
        return self->End({grpc::StatusCode::FAILED_PRECONDITION, "refused on purpose"});
      }
      if (fault.name == "one-session" && self->AnotherIsOpen()) {
        return self->End({grpc::StatusCode::RESOURCE_EXHAUSTED, "refused on purpose"});
      }
      if (fault.name == "early") self->Send(EarlyAnswer());
      RunProcessFault(fault);
    }
    Response opened;
    opened.mutable_opened()->set_instance_id(self->shared_.instance_id);
    if (permitted && fault.name == "other-instance") opened.mutable_opened()->set_instance_id("x");
    self->Send(std::move(opened));
    self->StartHandlers();
  }).detach();
}

bool Session::AnotherIsOpen() const {
  for (int i = 0; i < 100 && shared_.sessions > 1; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return shared_.sessions > 1;
}

void Session::StartHandlers() {
  std::shared_ptr<Session> self;
  {
    std::lock_guard lock(mutex_);
    if (finished_ || dead_) return;
    self = self_;
  }
  for (uint32_t i = 0; i < shared_.options.concurrency; ++i) {
    std::thread([self] { self->HandleLoop(); }).detach();
  }
}

void Session::HandleLoop() {
  while (true) {
    const std::vector<Delivery> hand = TakeHand();
    if (hand.empty()) return;
    RecordTaken(hand);
    if (shared_.options.mode.name == "last-first") AnswerLastFirst(hand);
    std::vector<const Delivery*> done;
    for (const Delivery& delivery : hand) {
      const Fault fault = shared_.plan.For(delivery);
      if (fault.name == "last-first") continue;
      if (fault.name == "done" || !shared_.plan.Permit()) {
        done.push_back(&delivery);
        continue;
      }
      AnswerDone(done);
      Act(delivery, fault);
    }
    AnswerDone(done);
    {
      std::lock_guard lock(mutex_);
      in_hand_ -= hand.size();
    }
    Pump();
  }
}

std::vector<Session::Delivery> Session::TakeHand() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !queue_.empty() || draining_ || dead_ || finished_; });
  std::vector<Delivery> hand;
  if (dead_ || finished_) return hand;
  const size_t most = shared_.options.concurrency > 1 ? 1 : shared_.options.batch;
  while (!queue_.empty() && hand.size() < most) {
    hand.emplace_back().Swap(&queue_.front());
    queue_.pop_front();
  }
  in_hand_ += hand.size();
  return hand;
}

void Session::RecordTaken(const std::vector<Delivery>& hand) {
  if (!shared_.taken.active()) return;
  std::string lines;
  for (const Delivery& d : hand) {
    lines +=
        d.event().id() + " " + std::to_string(d.attempt()) + " " + std::to_string(getpid()) + "\n";
  }
  shared_.taken.Append(lines);
}

void Session::Send(Response frame, bool wait) {
  {
    std::unique_lock lock(mutex_);
    if (wait) changed_.wait(lock, [this] { return outbox_.size() < 4 || dead_ || finished_; });
    if (dead_ || finished_) return;
    outbox_.push_back(std::move(frame));
  }
  Pump();
}

void Session::End(grpc::Status status) {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
    end_status_ = std::move(status);
    queue_.clear();
  }
  Pump();
}

void Session::Drop() {
  {
    std::lock_guard lock(mutex_);
    dead_ = true;
    queue_.clear();
    outbox_.clear();
  }
  changed_.notify_all();
  Pump();
}

bool Session::gone() {
  std::lock_guard lock(mutex_);
  return dead_ || finished_ || ending_;
}

void Session::Hold(int change) {
  {
    std::lock_guard lock(mutex_);
    in_hand_ += change;
  }
  Pump();
}

void Session::Pump() {
  enum { kNothing, kWrite, kFinish } action = kNothing;
  {
    std::lock_guard lock(mutex_);
    if (writing_ || finished_) return;
    const bool answered = draining_ && queue_.empty() && in_hand_ == 0;
    if (!outbox_.empty()) {
      writing_frame_ = std::move(outbox_.front());
      outbox_.pop_front();
      writing_ = true;
      action = kWrite;
    } else if (dead_ || ending_ || answered) {
      finished_ = true;
      action = kFinish;
    }
  }
  if (action == kWrite) StartWrite(&writing_frame_);
  if (action == kFinish) Finish(end_status_);
}

void Session::OnWriteDone(bool ok) {
  {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok) dead_ = true;
    if (!ok) outbox_.clear();
  }
  changed_.notify_all();
  Pump();
}

void Session::OnCancel() { Drop(); }

void Session::OnDone() {
  --shared_.sessions;
  std::shared_ptr<Session> last;  // May be what keeps this alive: nothing is touched after it.
  {
    std::lock_guard lock(mutex_);
    last.swap(self_);
  }
  changed_.notify_all();
}

}  // namespace outboard::faulty
