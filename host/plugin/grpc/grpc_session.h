#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <memory>
#include <string>

#include "host/base/mutex.h"
#include "host/plugin/session_core.h"

namespace outboard::plugin {

// The stream of one session: a thin reactor over its SessionCore. Keeps itself alive from Start
// until the stream is done. Any thread; nothing blocks.
class GrpcSession final : public grpc::ClientBidiReactor<grpc::ByteBuffer, wire::Response>,
                          public std::enable_shared_from_this<GrpcSession> {
 public:
  GrpcSession(lane::SessionId id, lane::Role role, outboard::plugin::v1::Open open,
              SessionSink* sink);

  // `method` is the full name, such as "/outboard.plugin.v1.WorkerService/Handle".
  void Start(std::shared_ptr<grpc::Channel> channel, const std::string& method);

  lane::SessionId id() const { return core_.id(); }
  void Send(const lane::SendFrame& frame, const RouteNames& routes);
  void Cancel(lane::CancelDeliveries cancel);
  void SendSignOfLife();
  void Close(const lane::CloseSession& close);
  // Ends the stream at once.
  void Abort();
  // The frame of one OnAnswers has been worked off: reading goes on when few are pending.
  void Consumed() OUTBOARD_EXCLUDES(mu_);

 private:
  void OnReadDone(bool ok) override OUTBOARD_EXCLUDES(mu_);
  void OnWriteDone(bool ok) override OUTBOARD_EXCLUDES(mu_);
  void OnWritesDoneDone(bool ok) override OUTBOARD_EXCLUDES(mu_);
  void OnDone(const grpc::Status& status) override;

  // Writes the next frame if none is under way.
  void Kick() OUTBOARD_EXCLUDES(mu_);

  SessionCore core_;
  SessionSink* const sink_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::TemplatedGenericStub<grpc::ByteBuffer, wire::Response>> stub_;
  grpc::ByteBuffer request_;  // Under way; not touched until OnWriteDone.
  wire::Response response_;   // Being read.
  std::shared_ptr<GrpcSession> self_;

  Mutex mu_;
  bool over_ OUTBOARD_GUARDED_BY(mu_) = false;  // No operation may be started any more.
  bool writing_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool reading_ OUTBOARD_GUARDED_BY(mu_) = true;
  int pending_ OUTBOARD_GUARDED_BY(mu_) = 0;  // Frames handed to the sink and not consumed.
};

}  // namespace outboard::plugin
