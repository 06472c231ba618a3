#include "host/bus/rabbitmq/receipt_queue.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"

namespace outboard::bus::rabbitmq {
namespace {

constexpr amqp::Channel kChannel = 1;

}  // namespace

ReceiptQueue::ReceiptQueue(amqp::ConnectionOptions options, std::string prefix)
    : options_([&] {
        options.name += " receipts";
        return std::move(options);
      }()),
      prefix_(std::move(prefix)) {}

ReceiptQueue::~ReceiptQueue() {
  {
    MutexLock lock(mu_);
    if (!started_) return;
  }
  mailbox_.Post(nullptr);
  thread_.join();
}

void ReceiptQueue::WhenTried(std::function<void()> then) {
  {
    MutexLock lock(mu_);
    if (!std::exchange(started_, true)) thread_ = std::thread([this] { Run(); });
  }
  mailbox_.Post(std::move(then));
}

std::optional<ReceiptAddress> ReceiptQueue::Expect(std::weak_ptr<ReceiptSink> sink, size_t event) {
  MutexLock lock(mu_);
  if (queue_.empty()) return std::nullopt;
  if (waiting_.size() >= tidy_at_) {
    absl::erase_if(waiting_, [](const auto& entry) { return entry.second.sink.expired(); });
    tidy_at_ = std::max<size_t>(1024, waiting_.size() * 2);
  }
  waiting_[next_] = {std::move(sink), event};
  return ReceiptAddress{queue_, next_++};
}

void ReceiptQueue::Run() {
  std::vector<std::function<void()>> tasks;
  for (;;) {
    if (connection_ == nullptr && SteadyNow() >= try_at_) Connect();
    if (connection_ != nullptr) ReadAll();
    Wait();
    mailbox_.Drain(&tasks);
    for (const std::function<void()>& task : tasks) {
      if (!task) {
        connection_.reset();
        return;
      }
      task();
    }
    tasks.clear();
  }
}

void ReceiptQueue::Wait() {
  pollfd fds[2] = {{mailbox_.fd(), POLLIN, 0}, {connection_ ? connection_->fd() : -1, POLLIN, 0}};
  const auto half_heartbeat =
      std::max<int64_t>(options_.heartbeat / std::chrono::milliseconds(1) / 2, 100);
  int64_t wait = std::min<int64_t>(half_heartbeat, 1000);
  if (connection_ == nullptr) {
    const auto left = try_at_ - SteadyNow();
    wait = std::clamp<int64_t>(left / std::chrono::milliseconds(1) + 1, 0, 1000);
  }
  poll(fds, 2, static_cast<int>(wait));
}

void ReceiptQueue::Connect() {
  absl::StatusOr<std::unique_ptr<amqp::Connection>> made =
      amqp::Connection::Connect(options_, endpoint_++);
  absl::Status status = made.status();
  if (made.ok()) {
    connection_ = *std::move(made);
    status = Declare();
  }
  if (status.ok()) {
    failures_ = 0;
    return;
  }
  if (failures_ == 0)
    LogWarning("bus", "publishers get no receipts", {{"why", std::string(status.message())}});
  connection_.reset();
  try_at_ = SteadyNow() + Backoff(++failures_);
}

// Under a new name, as the broker may still hold the one of a connection that broke.
absl::Status ReceiptQueue::Declare() {
  amqp::QueueSpec spec;
  spec.name = absl::StrCat(prefix_, ".", ++made_);
  spec.durable = false;
  spec.exclusive = true;
  spec.auto_delete = true;
  OUTBOARD_RETURN_IF_ERROR(connection_->OpenChannel(kChannel));
  OUTBOARD_RETURN_IF_ERROR(connection_->DeclareQueue(kChannel, spec).status());
  OUTBOARD_RETURN_IF_ERROR(connection_->Consume(kChannel, spec.name, "receipts"));
  MutexLock lock(mu_);
  queue_ = spec.name;
  return absl::OkStatus();
}

void ReceiptQueue::ReadAll() {
  uint64_t last = 0;
  for (;;) {
    absl::StatusOr<std::optional<amqp::Incoming>> incoming = connection_->Read(Duration::zero());
    if (!incoming.ok()) return Broke(incoming.status());
    if (!incoming->has_value()) break;
    if (const auto* closed = std::get_if<amqp::ChannelClosed>(&**incoming))
      return Broke(absl::UnavailableError(closed->text));
    if (std::holds_alternative<amqp::Cancelled>(**incoming))
      return Broke(absl::UnavailableError("the queue of receipts was deleted"));
    if (const auto* delivered = std::get_if<amqp::Delivered>(&**incoming)) {
      last = delivered->tag;
      Tell(delivered->message.View());
    }
  }
  if (last == 0) return;
  const absl::Status acked = connection_->Ack(kChannel, last, true);
  if (!acked.ok()) Broke(acked);
}

void ReceiptQueue::Broke(const absl::Status& why) {
  LogWarning("bus", "the connection for receipts broke", {{"why", std::string(why.message())}});
  connection_.reset();
  {
    MutexLock lock(mu_);
    queue_.clear();
    waiting_.clear();  // They name a queue that is gone.
  }
  try_at_ = SteadyNow() + Backoff(++failures_);
}

void ReceiptQueue::Tell(const dialect::MessageView& message) {
  std::optional<std::pair<int64_t, Receipt>> read = ReadReceipt(message);
  if (!read) return;
  std::shared_ptr<ReceiptSink> sink;
  size_t event = 0;
  {
    // It stays: a lane may tell twice, and others after it.
    MutexLock lock(mu_);
    const auto found = waiting_.find(read->first);
    if (found == waiting_.end()) return;
    sink = found->second.sink.lock();
    event = found->second.event;
    if (sink == nullptr) waiting_.erase(found);
  }
  if (sink) sink->OnReceipt(event, std::move(read->second));
}

}  // namespace outboard::bus::rabbitmq
