#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/base/clock.h"
#include "host/conform/audit.h"
#include "host/conform/frame.h"
#include "host/conform/transcript.h"

namespace outboard::conform {

class Stream;

// One session with a component: sends what it is told to, reads all the time, and has each frame
// audited and written down. Used by one thread; reads come on gRPC's. Cancelled when destroyed.
class Session {
 public:
  // Of a stream that the connection has started.
  explicit Session(std::shared_ptr<Stream> stream);
  ~Session();

  // The first frame.
  void Open(const std::string& config_json, Duration time_limit = std::chrono::seconds(30));
  // As it is: ids and all.
  void Send(HostFrame frame);
  // Numbers the deliveries, gives them order keys where the component is in_order, and sends them
  // in one frame. Gives their ids.
  std::vector<uint64_t> Deliver(std::vector<v1::Delivery> deliveries);
  void CancelIds(const std::vector<uint64_t>& ids);
  // Close and a half-close, as a host that drains does.
  void Close(v1::Close::Cause cause = v1::Close::CAUSE_DRAIN);
  // A half-close without Close, as by a host that is lost.
  void HalfClose();
  // Ends the stream at once.
  void Cancel();

  // Each waits until it is so, until the stream ended, or until for `patience` nothing came. Gives
  // whether it is so.
  bool WaitOpened(Duration patience);
  bool WaitAnswered(const std::vector<uint64_t>& ids, Duration patience);
  // At most so many unanswered, and the window not 0.
  bool WaitRoom(size_t most, Duration patience);
  bool WaitWindowOpen(Duration patience);
  bool WaitEnded(Duration patience);

  // As of now.
  bool ended() const;
  // "OK", "NOT_FOUND: no component x"; empty while the stream goes on.
  std::string status() const;
  int status_code() const;  // As grpc::StatusCode; -1 while the stream goes on.
  std::string status_message() const;
  // `look` is called under the session's lock.
  void Look(const std::function<void(const Audit&)>& look) const;
  // From now on answers are kept until TakeAnswers, by id.
  void KeepAnswers();
  std::map<uint64_t, Answer> TakeAnswers();
  std::vector<Breach> breaches() const;
  std::vector<uint64_t> Unanswered() const;
  std::vector<Transcript::Line> transcript() const;
  std::string LastSent(size_t count = 2) const;
  // What came last: frames, and how the stream ended.
  std::string LastCame(size_t count = 3) const;

 private:
  template <typename Condition>
  bool WaitUntil(Duration patience, Condition condition);

  std::shared_ptr<Stream> stream_;
  uint64_t last_id_ = 0;
  uint64_t frames_ = 0;
};

}  // namespace outboard::conform
