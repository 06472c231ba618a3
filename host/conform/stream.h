#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "host/base/mutex.h"
#include "host/conform/audit.h"
#include "host/conform/transcript.h"

namespace outboard::conform {

// The gRPC stream of one session. Keeps itself alive from Start until it is over. Any thread.
class Stream final : public grpc::ClientBidiReactor<HostFrame, grpc::ByteBuffer>,
                     public std::enable_shared_from_this<Stream> {
 public:
  explicit Stream(Audit::Settings settings)
      : role_(settings.component.role()), audit_(std::move(settings)) {}

  void Start(const std::shared_ptr<grpc::Channel>& channel);
  // `last`: a half-close follows.
  void Send(HostFrame frame, bool last = false) OUTBOARD_EXCLUDES(mu_);
  void HalfClose() OUTBOARD_EXCLUDES(mu_);
  void Cancel() OUTBOARD_EXCLUDES(mu_);

 private:
  friend class Session;

  void OnWriteDone(bool ok) override OUTBOARD_EXCLUDES(mu_);
  void OnReadDone(bool ok) override OUTBOARD_EXCLUDES(mu_);
  void OnDone(const grpc::Status& status) override OUTBOARD_EXCLUDES(mu_);
  // Writes the next frame, or the half-close, if nothing is under way.
  void Kick() OUTBOARD_EXCLUDES(mu_);
  void Take(const std::string& bytes) OUTBOARD_REQUIRES(mu_);

  const v1::Role role_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::TemplatedGenericStub<HostFrame, grpc::ByteBuffer>> stub_;
  HostFrame request_;          // Under way.
  grpc::ByteBuffer response_;  // Being read.
  std::shared_ptr<Stream> self_;

  mutable Mutex mu_;
  mutable CondVar changed_;
  std::deque<HostFrame> outbox_ OUTBOARD_GUARDED_BY(mu_);
  bool half_close_ OUTBOARD_GUARDED_BY(mu_) = false;  // Wanted, or done.
  bool writing_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool reads_over_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool cancelled_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::optional<grpc::Status> end_ OUTBOARD_GUARDED_BY(mu_);
  uint64_t came_ OUTBOARD_GUARDED_BY(mu_) = 0;  // Frames.
  Audit audit_ OUTBOARD_GUARDED_BY(mu_);
  Transcript transcript_ OUTBOARD_GUARDED_BY(mu_);
  bool keep_answers_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::map<uint64_t, Answer> answers_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::conform
