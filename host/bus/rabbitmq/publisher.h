#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "host/base/mailbox.h"
#include "host/base/mutex.h"
#include "host/bus/rabbitmq/connection.h"

namespace outboard::bus::rabbitmq {

// What became of one message.
struct Published {
  // OK: the broker has it. UNAVAILABLE: not now, or not known; later. Others: refused for good.
  absl::Status status;
  bool unroutable = false;  // OK, but no queue takes it.
};

// Publishes with confirms on a connection and a thread of its own, as many under way as the window
// lets. A connection that breaks is made again; what it leaves unconfirmed is answered UNAVAILABLE,
// as is everything while the broker cannot be reached. After an error of the channel what was
// unconfirmed goes out one at a time until the message at fault is found and refused.
class Publisher {
 public:
  using Done = std::function<void(std::vector<Published>)>;
  struct Health {
    bool connected = false;
    std::string problem;  // Why not; or that the broker blocks publishers.
    uint64_t reconnects = 0;
  };

  // `name`: shown by the broker's tools. `fallback`: where messages go whose exchange is not there;
  // empty: they are refused.
  Publisher(amqp::ConnectionOptions options, const std::string& name, std::string fallback = "");
  // Answers all that is under way.
  ~Publisher();

  // In order. `done` is called on the publisher's thread and must not block. Any thread.
  void Publish(std::vector<dialect::Message> messages, Done done);
  // Blocks until it is connected, or has failed to be once: says why.
  absl::Status WaitUntilTried() OUTBOARD_EXCLUDES(mu_);
  Health health() OUTBOARD_EXCLUDES(mu_);

 private:
  struct Batch {
    std::vector<dialect::Message> messages;
    std::vector<Published> results;
    size_t next = 0;  // To be sent.
    size_t open = 0;  // Without a result.
    Done done;
  };
  // One message under way.
  struct Flight {
    std::shared_ptr<Batch> batch;
    size_t index = 0;
    bool answered = false;
    std::chrono::steady_clock::time_point sent_at{};
  };

  void Run();
  void Connect();
  void Wait();
  void SendSome();
  bool Send(const std::shared_ptr<Batch>& batch, size_t index);
  // Puts the fallback in place of an exchange that is not there.
  absl::Status Resolve(std::string* exchange);
  bool ReadAll();
  void On(const amqp::Confirmed& confirmed);
  void On(const amqp::Returned& returned);
  void On(const amqp::ChannelClosed& closed);
  void Finish(Flight* flight, const Published& result);
  void Answer(const std::shared_ptr<Batch>& batch, size_t index, const Published& result);
  bool ConfirmIsLate() const;
  void Broke(const absl::Status& why);
  void FailAll(const absl::Status& why);
  bool OpenChannel();
  void SetHealth(bool connected, const std::string& problem);

  const amqp::ConnectionOptions options_;
  const std::string fallback_;
  Mailbox<std::shared_ptr<Batch>> mailbox_;
  std::unique_ptr<amqp::Connection> connection_;
  std::deque<std::shared_ptr<Batch>> queue_;  // With messages to be sent.
  std::deque<Flight> flights_;                // Sent, by tag from first_tag_.
  uint64_t first_tag_ = 1;
  uint64_t sent_ = 0;
  size_t flying_bytes_ = 0;
  std::deque<Flight> suspects_;  // Of an error of the channel: go out one at a time.
  bool alarm_ = false;           // The broker said that it takes nothing.
  // Not before: the broker said that it takes nothing, or takes no bytes at the moment.
  std::chrono::steady_clock::time_point blocked_until_{};
  // Whether exchanges are there, and when that was asked.
  std::map<std::string, std::pair<bool, std::chrono::steady_clock::time_point>> exchanges_;
  size_t endpoint_ = 0;
  bool away_ = false;  // The last attempt to connect failed.
  int failures_ = 0;   // Connections without a confirm, in a row.
  std::chrono::steady_clock::time_point try_at_{};
  uint64_t reconnects_ = 0;
  std::vector<std::shared_ptr<Batch>> arrived_;

  Mutex mu_;
  CondVar tried_;
  Health health_ OUTBOARD_GUARDED_BY(mu_);
  bool was_tried_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool stop_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace outboard::bus::rabbitmq
