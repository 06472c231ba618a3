#include "host/plugin/grpc/grpc_session.h"

#include <utility>

namespace outboard::plugin {
namespace {

// Answers that the shard has not taken yet; beyond this the plugin is not read.
constexpr int kMaxPendingFrames = 16;

absl::Status ToAbsl(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

// Without a copy.
grpc::ByteBuffer ToByteBuffer(std::string bytes) {
  auto* const owned = new std::string(std::move(bytes));
  const grpc::Slice slice(
      owned->data(), owned->size(),
      [](void* user_data) { delete static_cast<std::string*>(user_data); }, owned);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

GrpcSession::GrpcSession(lane::SessionId id, lane::Role role, outboard::plugin::v1::Open open,
                         SessionSink* sink)
    : core_(id, role, std::move(open), sink), sink_(sink) {}

void GrpcSession::Start(std::shared_ptr<grpc::Channel> channel, const std::string& method) {
  self_ = shared_from_this();
  stub_ = std::make_unique<grpc::TemplatedGenericStub<grpc::ByteBuffer, wire::Response>>(
      std::move(channel));
  context_.set_wait_for_ready(false);
  stub_->PrepareBidiStreamingCall(&context_, method, grpc::StubOptions(), this);
  AddHold();  // Until the reads are over: writes start outside of reactions.
  StartRead(&response_);
  StartCall();
  Kick();
}

void GrpcSession::Send(const lane::SendFrame& frame, const RouteNames& routes) {
  core_.Send(frame, routes);
  Kick();
}

void GrpcSession::Cancel(lane::CancelDeliveries cancel) {
  core_.Cancel(std::move(cancel));
  Kick();
}

void GrpcSession::SendSignOfLife() {
  core_.SendSignOfLife();
  Kick();
}

void GrpcSession::Close(const lane::CloseSession& close) {
  core_.Close(close);
  Kick();
}

void GrpcSession::Abort() { context_.TryCancel(); }

void GrpcSession::Kick() {
  {
    MutexLock lock(mu_);
    if (over_ || writing_ || !core_.HasWrite()) return;
    writing_ = true;
    AddHold();
  }
  std::string frame;
  switch (core_.TakeWrite(&frame)) {
    case SessionCore::Write::kFrame:
      request_ = ToByteBuffer(std::move(frame));
      StartWrite(&request_);
      break;
    case SessionCore::Write::kHalfClose: StartWritesDone(); break;
    case SessionCore::Write::kNothing: break;
  }
  RemoveHold();
}

void GrpcSession::OnWriteDone(bool ok) {
  {
    MutexLock lock(mu_);
    writing_ = false;
    if (!ok) return;  // The read side tells the end.
  }
  Kick();
}

void GrpcSession::OnWritesDoneDone(bool) {
  // writing_ stays set: nothing may follow.
}

void GrpcSession::OnReadDone(bool ok) {
  if (!ok) {
    {
      MutexLock lock(mu_);
      over_ = true;
    }
    sink_->OnReadsOver(core_.id());
    RemoveHold();
    return;
  }
  const bool counts = core_.OnRead(&response_);
  bool read_on;
  {
    MutexLock lock(mu_);
    if (counts) ++pending_;
    read_on = reading_ = pending_ < kMaxPendingFrames;
  }
  if (read_on) StartRead(&response_);
}

void GrpcSession::Consumed() {
  {
    MutexLock lock(mu_);
    --pending_;
    if (over_ || reading_) return;
    reading_ = true;
  }
  // The hold of Start lasts until a read fails, and none is under way.
  StartRead(&response_);
}

void GrpcSession::OnDone(const grpc::Status& status) {
  core_.OnEnd(ToAbsl(status));
  self_.reset();
}

}  // namespace outboard::plugin
