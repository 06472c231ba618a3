#include "plugins/producers/kafka/writer.h"

#include <chrono>

#include "plugins/producers/kafka/outcome.h"
#include "plugins/producers/kafka/settings.h"

namespace outboard::kafka {
namespace {

constexpr int kPollMilliseconds = 100;

std::optional<Timestamp> TimeOf(const rd_kafka_message_t* message) {
  rd_kafka_timestamp_type_t type;
  const int64_t milliseconds = rd_kafka_message_timestamp(message, &type);
  if (milliseconds < 0) return std::nullopt;
  return Timestamp(std::chrono::milliseconds(milliseconds));
}

}  // namespace

std::string Writer::Open() {
  std::lock_guard lock(mutex_);
  return MakeProducer();
}

std::string Writer::MakeProducer() {
  producer_.reset();
  std::map<std::string, std::string> properties = config_.properties;
  for (const std::string& server : config_.servers) {
    std::string& all = properties["bootstrap.servers"];
    all += (all.empty() ? "" : ",") + server;
  }
  std::map<std::string, std::string> faults;
  Settings settings = MakeSettings(properties, &faults);
  if (!faults.empty()) return faults.begin()->first + " " + faults.begin()->second;
  rd_kafka_conf_set_opaque(settings.get(), this);
  rd_kafka_conf_set_dr_msg_cb(settings.get(), OnDelivered);
  rd_kafka_conf_set_error_cb(settings.get(), OnError);
  char fault[512];
  producer_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, settings.get(), fault, sizeof fault));
  if (!producer_) return std::string("librdkafka refuses the config: ") + fault;
  static_cast<void>(settings.release());  // The producer's now.
  return "";
}

void Writer::OnDelivered(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
  auto* writer = static_cast<Writer*>(self);
  auto* item = static_cast<BatchItem*>(message->_private);
  --writer->pending_;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    writer->last_error_.clear();
    item->verdict = Accepted(message->offset, TimeOf(message));
  } else {
    item->verdict = FailureOf(message->err, writer->MessageFor(message->err));
  }
}

void Writer::OnError(rd_kafka_t*, int, const char* text, void* self) {
  static_cast<Writer*>(self)->last_error_ = text;
}

std::string Writer::MessageFor(rd_kafka_resp_err_t error) const {
  std::string message = "topic " + config_.topic + ": " + rd_kafka_err2str(error);
  if (!last_error_.empty()) message += "; before that: " + last_error_;
  return message;
}

bool Writer::Send(BatchItem* item) {
  const Message message = MessageOf(item->event, config_.mode, config_.key);
  rd_kafka_headers_t* headers = rd_kafka_headers_new(message.headers.size());
  for (const auto& [name, value] : message.headers) {
    rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  const void* key = message.key.empty() ? nullptr : message.key.data();
  while (true) {
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        producer_.get(), RD_KAFKA_V_TOPIC(config_.topic.c_str()),
        RD_KAFKA_V_KEY(key, message.key.size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(message.value.data()), message.value.size()),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_OPAQUE(item), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL && pending_ > 0) {
      rd_kafka_flush(producer_.get(), kPollMilliseconds);
      continue;
    }
    rd_kafka_headers_destroy(headers);
    item->verdict = FailureOf(error, MessageFor(error));
    return false;
  }
}

void Writer::Put(std::span<BatchItem> batch) {
  std::lock_guard lock(mutex_);
  if (!producer_) {
    if (const std::string fault = MakeProducer(); !fault.empty()) {
      for (BatchItem& item : batch) item.verdict = Retry("NOT_OPEN", fault);
      return;
    }
  }
  for (BatchItem& item : batch) {
    ++pending_;
    if (!Send(&item)) --pending_;
  }
  // Reports every message in the end: by message.timeout.ms at the latest.
  while (pending_ > 0) rd_kafka_flush(producer_.get(), kPollMilliseconds);
  char text[256];
  if (rd_kafka_fatal_error(producer_.get(), text, sizeof text) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    producer_.reset();
  }
}

}  // namespace outboard::kafka
