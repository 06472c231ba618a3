#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "plugins/producers/rabbitmq/login.h"
#include "plugins/producers/rabbitmq/message.h"

namespace outboard::rabbitmq {

// One connection with one confirming channel. Once broken() it is of no more use. One thread at a
// time.
class Connection {
 public:
  // What the broker sends.
  struct Listener {
    std::function<void(uint64_t tag, bool multiple, bool positive)> answered;
    std::function<void(std::string_view message_id, std::string_view app_id)> returned;
  };

  explicit Connection(State state) : state_(std::move(state)) {}
  // Closes it in order, where it is not broken.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Publish(const std::string& exchange, const Message& message, bool mandatory);
  // Reads what is there, and waits for the first of it at most so long. False: nothing came.
  bool Read(std::chrono::milliseconds wait, const Listener& listener);

  // How many were published; the next one's tag is one more.
  uint64_t published() const { return published_; }
  bool broken() const { return !fault_.empty(); }
  // What broke it.
  const std::string& fault() const { return fault_; }
  // The broker takes no messages for now, since it is short of memory or disk.
  bool blocked() const { return blocked_; }

 private:
  void Take(const amqp_frame_t& frame, const Listener& listener);
  void TakeReturned(const Listener& listener);
  void Break(int status);

  State state_;
  std::string fault_;
  uint64_t published_ = 0;
  bool blocked_ = false;
};

}  // namespace outboard::rabbitmq
