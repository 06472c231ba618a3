#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "outboard/plugin.h"
#include "plugins/producers/rabbitmq/config.h"
#include "plugins/producers/rabbitmq/connection.h"

namespace outboard::rabbitmq {

// Publishes batches over one connection, with a window of what the broker has not confirmed. A
// connection that breaks is made anew: at once for what it had where it was an old one, which may
// have been gone for long, else with the next batch. Any thread.
class Publisher {
 public:
  explicit Publisher(Config config) : config_(std::move(config)) {}

  // Nothing to do: it connects with the first event, since the broker may be away for now.
  std::string Open() { return ""; }
  // The host gives one event of an order key at a time, so the order of a batch says nothing.
  void Put(std::span<BatchItem> batch);

 private:
  // Under the lock. Says what went wrong, or nothing.
  std::string Connect();
  // Publishes what has no verdict, and sees to their confirms until all are there or the connection
  // breaks, or nothing comes for the timeout. Says what went wrong, or nothing.
  std::string PublishAll(std::span<BatchItem> batch, const std::vector<Message>& messages);
  Verdict AnswerOf(bool positive, bool returned, const Message& message) const;

  const Config config_;
  std::mutex mutex_;
  std::unique_ptr<Connection> connection_;
  size_t next_broker_ = 0;
};

}  // namespace outboard::rabbitmq
