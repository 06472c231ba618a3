#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "host/base/mutex.h"
#include "host/lane/io.h"
#include "host/plugin/codec.h"

namespace outboard::plugin {

// Who is told what a session brings; called on the carrier's threads, never with a lock held. Must
// not block.
class SessionSink {
 public:
  virtual ~SessionSink() = default;
  // The component is ready.
  virtual void OnOpened(lane::SessionId session, const std::string& instance_id) = 0;
  virtual void OnAnswers(lane::AnswersArrived answers) = 0;
  // The plugin broke the contract; the session should be closed with this text.
  virtual void OnBroken(lane::SessionId session, std::string rule) = 0;
  // No frame comes any more. Unless OnEnded follows at once, the plugin sent what is no message of
  // this service: the stream should be aborted.
  virtual void OnReadsOver(lane::SessionId session) = 0;
  // Nothing comes after this. `status` is how the stream ended.
  virtual void OnEnded(lane::SessionId session, absl::Status status) = 0;
};

// One session whatever carries it: the handshake, what may be written when, what a frame means. Any
// thread.
//
// The carrier asks TakeWrite whenever it may write, and again after `wake` was called; it has one
// write under way at most.
class SessionCore {
 public:
  SessionCore(lane::SessionId id, lane::Role role, outboard::plugin::v1::Open open,
              SessionSink* sink);

  lane::SessionId id() const { return id_; }

  // ---- The host's side ----
  void Send(const lane::SendFrame& frame, const RouteNames& routes) OUTBOARD_EXCLUDES(mu_);
  void Cancel(lane::CancelDeliveries cancel) OUTBOARD_EXCLUDES(mu_);
  // An empty frame, which tells the plugin that the host is there, and finds a dead connection.
  // Nothing while others are to be written.
  void SendSignOfLife() OUTBOARD_EXCLUDES(mu_);
  // The last frame; what comes to Send after it is forgotten. A second Close does nothing.
  void Close(const lane::CloseSession& close) OUTBOARD_EXCLUDES(mu_);

  // ---- The carrier's side ----
  enum class Write { kNothing, kFrame, kHalfClose };
  // TakeWrite has something. Only the one who takes may rely on true.
  bool HasWrite() OUTBOARD_EXCLUDES(mu_);
  // kFrame: `*frame`, the bytes of a request, is to be written now. kHalfClose: after the last
  // frame, once.
  Write TakeWrite(std::string* frame) OUTBOARD_EXCLUDES(mu_);
  // One frame came. False: the session is broken, read on but do not hand in more.
  bool OnRead(wire::Response* response) OUTBOARD_EXCLUDES(mu_);
  void OnEnd(absl::Status status) OUTBOARD_EXCLUDES(mu_);

 private:
  enum class State { kOpening, kOpen, kBroken, kEnded };

  const lane::SessionId id_;
  const lane::Role role_;
  SessionSink* const sink_;

  Mutex mu_;
  State state_ OUTBOARD_GUARDED_BY(mu_) = State::kOpening;
  std::deque<std::string> queue_ OUTBOARD_GUARDED_BY(mu_);  // Open first.
  bool closing_ OUTBOARD_GUARDED_BY(mu_) = false;           // Close is in the queue or was written.
  bool half_closed_ OUTBOARD_GUARDED_BY(mu_) = false;
};

}  // namespace outboard::plugin
