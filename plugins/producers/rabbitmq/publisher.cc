#include "plugins/producers/rabbitmq/publisher.h"

#include "plugins/producers/rabbitmq/window.h"

namespace outboard::rabbitmq {
namespace {

// Unconfirmed at most, so that what is sent fits into the sockets' buffers where the broker takes
// nothing for now, and no write blocks. And what a message has beside its body and its headers.
constexpr size_t kMostBytes = 1 << 20;
constexpr size_t kRest = 200;

}  // namespace

std::string Publisher::Connect() {
  std::string faults;
  for (size_t i = 0; i < config_.brokers.size(); ++i) {
    const Address& broker = config_.brokers[next_broker_ % config_.brokers.size()];
    std::string fault;
    if (State state = LogIn(config_, broker, &fault)) {
      connection_ = std::make_unique<Connection>(std::move(state));
      return "";
    }
    ++next_broker_;
    faults += (faults.empty() ? "" : "; ") + broker.Location() + ": " + fault;
  }
  return faults;
}

Verdict Publisher::AnswerOf(bool positive, bool returned, const Message& message) const {
  const auto where = [&] {
    return "exchange '" + config_.exchange + "', routing key '" + message.routing_key + "'";
  };
  if (!positive) return Retry("NACKED", "the broker refused the message: " + where());
  if (!returned || config_.unroutable == Unroutable::kAccept) return Accepted();
  const std::string text =
      "no queue gets the message: " + where() + "; bind one, or set unroutable: accept";
  if (config_.unroutable == Unroutable::kReject) return Reject("UNROUTABLE", text);
  return Retry("UNROUTABLE", text);
}

std::string Publisher::PublishAll(std::span<BatchItem> batch,
                                  const std::vector<Message>& messages) {
  Window window(connection_->published() + 1);
  const Connection::Listener listener = {
      [&](uint64_t tag, bool multiple, bool positive) {
        for (const Window::Answered& one : window.Answer(tag, multiple)) {
          batch[one.item].verdict = AnswerOf(positive, one.returned, messages[one.item]);
        }
      },
      [&](std::string_view id, std::string_view app) { window.MarkReturned(id, app); }};
  const bool mandatory = config_.unroutable != Unroutable::kAccept;
  size_t next = 0;
  while (next < batch.size() || window.count() > 0) {
    if (next == batch.size() || window.bytes() >= kMostBytes || connection_->blocked()) {
      if (!connection_->Read(config_.timeout, listener) && !connection_->broken()) {
        return connection_->blocked()
                   ? "the broker takes no messages, since it is short of memory or disk"
                   : "the broker confirms nothing";
      }
    } else if (batch[next].verdict) {
      ++next;
    } else {
      const Message& message = messages[next];
      window.Add(next, SizeOf(message) + kRest, message.message_id, message.app_id);
      connection_->Publish(config_.exchange, message, mandatory);
      if (++next % 32 == 0) connection_->Read(std::chrono::milliseconds(0), listener);
    }
    if (connection_->broken()) {
      connection_->Read(std::chrono::milliseconds(0), listener);
      return connection_->fault();
    }
  }
  return "";
}

void Publisher::Put(std::span<BatchItem> batch) {
  std::lock_guard lock(mutex_);
  std::vector<Message> messages;
  messages.reserve(batch.size());
  for (BatchItem& item : batch) {
    messages.push_back(MessageOf(item.event, config_.mode, config_.routing_key));
    if (const std::string fault = TooLarge(messages.back()); !fault.empty()) {
      item.verdict = Reject("HEADERS_TOO_LARGE", fault);
    }
  }
  // Twice at most: the first time over a connection that may be gone.
  for (bool old = connection_ != nullptr;; old = false) {
    std::string fault = connection_ ? "" : Connect();
    const char* const reason = fault.empty() ? "NOT_CONFIRMED" : "NOT_CONNECTED";
    if (fault.empty()) fault = PublishAll(batch, messages);
    if (fault.empty()) return;
    connection_.reset();
    if (old) continue;
    for (BatchItem& item : batch) {
      if (!item.verdict) item.verdict = Retry(reason, "RabbitMQ: " + fault);
    }
    return;
  }
}

}  // namespace outboard::rabbitmq
