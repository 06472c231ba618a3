#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "host/base/mailbox.h"
#include "host/base/mutex.h"
#include "host/bus/amqp/connection.h"
#include "host/bus/rabbitmq/receipt_message.h"
#include "host/bus/rabbitmq/steady.h"

namespace outboard::bus::rabbitmq {

// A queue of this process's own on the broker, by which hosts tell its publishers how lanes ended
// what they published. A thread and a connection of its own, made once somebody asks. What is under
// way while a connection breaks is not told: the publisher's time runs out.
class ReceiptQueue {
 public:
  // `prefix`: of the names of its queues, one for each connection.
  ReceiptQueue(amqp::ConnectionOptions options, std::string prefix);
  ~ReceiptQueue();

  // Runs `then` on the thread once it was tried to make the queue. The first call begins that. Any
  // thread.
  void WhenTried(std::function<void()> then) OUTBOARD_EXCLUDES(mu_);
  // Where the receipts of this event are to go; nothing if there is no queue now. Any thread.
  std::optional<ReceiptAddress> Expect(std::weak_ptr<ReceiptSink> sink, size_t event)
      OUTBOARD_EXCLUDES(mu_);

 private:
  struct Waiting {
    std::weak_ptr<ReceiptSink> sink;
    size_t event = 0;
  };

  void Run();
  void Wait();
  void Connect();
  absl::Status Declare();
  void ReadAll();
  void Broke(const absl::Status& why);
  void Tell(const dialect::MessageView& message) OUTBOARD_EXCLUDES(mu_);

  const amqp::ConnectionOptions options_;
  const std::string prefix_;
  std::unique_ptr<amqp::Connection> connection_;
  uint64_t made_ = 0;  // Queues.
  size_t endpoint_ = 0;
  int failures_ = 0;  // To connect, in a row.
  Steady try_at_{};
  Mutex mu_;
  bool started_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::string queue_ OUTBOARD_GUARDED_BY(mu_);  // On the connection; empty: there is none.
  absl::flat_hash_map<int64_t, Waiting> waiting_ OUTBOARD_GUARDED_BY(mu_);
  size_t tidy_at_ OUTBOARD_GUARDED_BY(mu_) = 1024;  // So many: those that are gone are forgotten.
  int64_t next_ OUTBOARD_GUARDED_BY(mu_) = 1;
  Mailbox<std::function<void()>> mailbox_;  // An empty one ends the thread.
  std::thread thread_;                      // None until somebody asks.
};

}  // namespace outboard::bus::rabbitmq
