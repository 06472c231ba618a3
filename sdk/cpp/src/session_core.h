#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "outboard/plugin.h"
#include "src/delivery_owner.h"
#include "src/frame.h"
#include "src/queue.h"

namespace outboard::internal {

class Component;
class Runtime;

// How a stream ends: a code of gRPC and what to do about it.
struct StreamEnd {
  int code = 0;
  std::string message;
};

// One stream to a host. The core calls Write and Finish one at a time and nothing after Finish.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual void Write(std::string frame) = 0;  // Then SessionCore::OnWriteDone.
  virtual void Finish(const StreamEnd& end) = 0;
  // SessionCore::OnAlarm after that time, from another thread. Called under the core's lock.
  virtual void SetAlarm(std::chrono::milliseconds delay) = 0;
};

// One session without gRPC: reads frames into the component's queue, gathers answers, and has one
// write under way at most. An answer leaves at once where nothing was written for a linger, and
// else with what gathered meanwhile: when 128 are there, when the threads have nothing more to do,
// or when the linger is over. Any thread.
class SessionCore : public DeliveryOwner, public std::enable_shared_from_this<SessionCore> {
 public:
  SessionCore(Runtime* runtime, Role role, Transport* transport);

  // The transport's side. OnFrame returns whether to read on.
  bool OnFrame(std::string_view bytes, std::shared_ptr<const void> keep);
  // The host half-closed, or the stream broke. Without Close before it the host is lost.
  void OnReadsEnded();
  void OnCancelled();
  void OnWriteDone(bool ok);
  void OnAlarm();

  // The component's side.
  void Answer(uint64_t delivery_id, const Verdict& verdict);
  // The thread has nothing more to do for now: what gathered leaves.
  void Flush();
  // True: answers no longer count, so nothing of this session is to be begun.
  bool discarded() const { return discarded_.load(std::memory_order_relaxed); }

  const SessionInfo& info() const override { return info_; }
  bool Cancelled(uint64_t delivery_id) override;
  void Progress(uint64_t delivery_id) override;

 private:
  enum class Action { kNothing, kWrite, kFinish };
  struct Next {
    Action action = Action::kNothing;
    std::string frame;
    StreamEnd end;
  };

  bool OnOpen(std::string_view bytes);
  void OnClose(std::string_view bytes);
  // The config is in force, or why not.
  void OnConfigured(const std::string& fault);
  void Enqueue(std::vector<Delivery> deliveries, std::shared_ptr<const void> keep);
  void Cancel(const std::vector<uint64_t>& ids);
  void Lose();
  bool End(int code, std::string message);

  // Decides what is due, under the lock; Do() then calls the transport without it.
  Next Decide(bool now);
  bool MayWait();
  void Do(Next next);

  Runtime* const runtime_;
  const Role role_;
  Transport* const transport_;
  SessionInfo info_;                // Set by Open, before anything is delivered.
  Component* component_ = nullptr;  // The same.
  std::atomic<bool> discarded_{false};
  std::atomic<bool> any_cancelled_{false};

  std::mutex mutex_;
  AnswerBuffer answers_;
  std::unordered_set<uint64_t> cancelled_;
  size_t unanswered_ = 0;
  std::chrono::steady_clock::time_point last_write_;
  std::optional<StreamEnd> end_;
  bool writing_ = false;
  bool flush_ = false;  // Flush() came during the write: the next one starts with its end.
  bool draining_ = false;
  bool alarm_set_ = false;
  bool finished_ = false;
};

}  // namespace outboard::internal
