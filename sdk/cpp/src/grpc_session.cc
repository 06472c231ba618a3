#include "src/grpc_session.h"

namespace outboard::internal {

GrpcSession::GrpcSession(Runtime* runtime, Role role)
    : core_(std::make_shared<SessionCore>(runtime, role, this)) {
  StartRead(&request_);
}

void GrpcSession::OnReadDone(bool ok) {
  if (!ok) return core_->OnReadsEnded();
  // The core reads in place, so the frame must be in one piece: a copy only where gRPC has it in
  // several.
  auto frame = std::make_shared<grpc::Slice>();
  if (!request_.TrySingleSlice(frame.get()).ok() && !request_.DumpToSingleSlice(frame.get()).ok()) {
    return core_->OnCancelled();
  }
  request_.Clear();
  const std::string_view bytes(reinterpret_cast<const char*>(frame->begin()), frame->size());
  if (core_->OnFrame(bytes, std::move(frame))) StartRead(&request_);
}

void GrpcSession::Write(std::string frame) {
  const grpc::Slice slice(frame);
  response_ = grpc::ByteBuffer(&slice, 1);
  StartWrite(&response_);
}

void GrpcSession::Finish(const StreamEnd& end) {
  ServerBidiReactor::Finish(grpc::Status(static_cast<grpc::StatusCode>(end.code), end.message));
}

void GrpcSession::SetAlarm(std::chrono::milliseconds delay) {
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(std::chrono::system_clock::now() + delay, [core = core_](bool ok) {
    if (ok) core->OnAlarm();
  });
}

}  // namespace outboard::internal
