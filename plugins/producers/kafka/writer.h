#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "outboard/plugin.h"
#include "plugins/producers/kafka/config.h"

namespace outboard::kafka {

// Sends batches to one topic, each at once, and waits until the brokers have all of it. After a
// fatal error of librdkafka a new producer is made. Any thread.
class Writer {
 public:
  explicit Writer(Config config) : config_(std::move(config)) {}

  // Says what cannot work, or nothing. Connects in the background.
  std::string Open();
  // The host gives one event of an order key at a time, so the order of a batch says nothing.
  void Put(std::span<BatchItem> batch);

 private:
  struct Destroy {
    void operator()(rd_kafka_t* producer) const { rd_kafka_destroy(producer); }
  };

  static void OnDelivered(rd_kafka_t*, const rd_kafka_message_t* message, void* self);
  static void OnError(rd_kafka_t*, int error, const char* text, void* self);

  std::string MakeProducer();
  // Under the lock. False: it will not be sent, and has its verdict.
  bool Send(BatchItem* item);
  std::string MessageFor(rd_kafka_resp_err_t error) const;

  const Config config_;
  std::mutex mutex_;
  std::unique_ptr<rd_kafka_t, Destroy> producer_;
  size_t pending_ = 0;      // Sent and not reported.
  std::string last_error_;  // Of the connections, since the last success.
};

}  // namespace outboard::kafka
