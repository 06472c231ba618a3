#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "host/base/mutex.h"
#include "host/bus/embedded/books.h"
#include "host/bus/embedded/group.h"
#include "host/bus/embedded/inbox.h"

namespace outboard::bus {

// The one thread that writes the file. Publishes and settlements that gather while one transaction
// is being synced go into the next one together (group commit). All else that changes the file runs
// between two groups.
class Writer {
 public:
  explicit Writer(Books books);
  // Makes all that was handed over, then ends.
  ~Writer();

  // Any thread; none waits.
  void Publish(PublishCall call) OUTBOARD_EXCLUDES(mu_);
  void Send(std::unique_ptr<SettleBatch> batch) OUTBOARD_EXCLUDES(mu_);
  // The consumer hears by its inbox when the queue is its own.
  void Open(Queue* queue, std::shared_ptr<Inbox> inbox, uint32_t slot);
  // After the last batch of that consumer about this queue.
  void Close(Queue* queue, std::shared_ptr<Inbox> inbox, uint32_t slot);
  // Who is told about new events.
  void AddInbox(std::shared_ptr<Inbox> inbox) OUTBOARD_EXCLUDES(inboxes_mu_);
  void RemoveInbox(const Inbox* inbox) OUTBOARD_EXCLUDES(inboxes_mu_);

  // Runs `work` on the writer's thread and waits for it.
  absl::Status Call(const std::function<absl::Status(Books&)>& work) OUTBOARD_EXCLUDES(mu_);
  // What the last write failed with; OK if it did not.
  absl::Status last_error() OUTBOARD_EXCLUDES(mu_);

 private:
  using Command = std::function<void()>;
  using Work = std::variant<PublishCall, std::unique_ptr<SettleBatch>, Command>;

  void Post(Work work) OUTBOARD_EXCLUDES(mu_);
  void Run();
  // Waits for work and adds it to todo_. False: nothing came in an idle while, or the end has come
  // (*stop).
  bool Gather(bool wait, bool* stop) OUTBOARD_EXCLUDES(mu_);
  void WorkOff();
  void FillGroup();
  void CommitGroup();
  void Tell();
  void TidyUp();
  void TryAgain();
  void NoteResult(const absl::Status& status) OUTBOARD_EXCLUDES(mu_);
  void OpenNow(Queue* queue, Queue::Holder holder);
  void CloseNow(Queue* queue, const Queue::Holder& holder);

  // The writer's thread.
  Books books_;
  Group group_;
  std::deque<Work> todo_;
  uint64_t tidied_at_ = 0;  // Offset at the last look at retention.
  bool more_to_delete_ = false;
  std::chrono::steady_clock::time_point tried_at_{};

  Mutex mu_;
  CondVar work_;
  std::vector<Work> posted_ OUTBOARD_GUARDED_BY(mu_);
  bool stop_ OUTBOARD_GUARDED_BY(mu_) = false;
  absl::Status last_error_ OUTBOARD_GUARDED_BY(mu_);

  Mutex inboxes_mu_;
  std::vector<std::shared_ptr<Inbox>> inboxes_ OUTBOARD_GUARDED_BY(inboxes_mu_);

  std::thread thread_;
};

}  // namespace outboard::bus
