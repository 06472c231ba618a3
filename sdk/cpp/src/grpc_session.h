#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>

#include "src/session_core.h"

namespace outboard::internal {

// A session's stream: moves raw frames between gRPC and the core, and nothing else. Deletes itself
// when gRPC is done.
class GrpcSession final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                          public Transport {
 public:
  GrpcSession(Runtime* runtime, Role role);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override { core_->OnWriteDone(ok); }
  void OnCancel() override { core_->OnCancelled(); }
  void OnDone() override { delete this; }

  void Write(std::string frame) override;
  void Finish(const StreamEnd& end) override;
  void SetAlarm(std::chrono::milliseconds delay) override;

 private:
  ~GrpcSession() override = default;

  const std::shared_ptr<SessionCore> core_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::unique_ptr<grpc::Alarm>
      alarm_;  // A new one each time: the last one's callback may still be running.
};

}  // namespace outboard::internal
