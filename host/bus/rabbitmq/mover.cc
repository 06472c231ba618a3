#include "host/bus/rabbitmq/mover.h"

#include <algorithm>
#include <future>
#include <utility>

#include "host/base/status.h"
#include "host/bus/rabbitmq/flush_acks.h"
#include "host/bus/rabbitmq/steady.h"

namespace outboard::bus::rabbitmq {
namespace {

constexpr size_t kMaxBytes = 8 << 20;

}  // namespace

absl::StatusOr<std::optional<amqp::Delivered>> NextDelivery(amqp::Connection& connection,
                                                            Duration wait) {
  const Steady end = SteadyNow() + wait;
  for (;;) {
    const auto left = std::chrono::duration_cast<Duration>(end - SteadyNow());
    OUTBOARD_ASSIGN_OR_RETURN(std::optional<amqp::Incoming> incoming,
                              connection.Read(std::max(left, Duration::zero())));
    if (!incoming) {
      if (left > Duration::zero()) continue;
      return std::nullopt;
    }
    if (auto* delivered = std::get_if<amqp::Delivered>(&*incoming)) return std::move(*delivered);
    if (auto* closed = std::get_if<amqp::ChannelClosed>(&*incoming))
      return absl::UnavailableError(closed->text);
    if (std::holds_alternative<amqp::Cancelled>(*incoming))
      return absl::UnavailableError("the queue was deleted, or moved, meanwhile: try again");
  }
}

absl::Status Mover::Add(Move move) {
  bytes_ += move.message.body.size();
  gathered_.push_back(std::move(move));
  return gathered_.size() < kAtOnce && bytes_ < kMaxBytes ? absl::OkStatus() : Flush();
}

std::vector<Published> Mover::PublishAll() {
  std::vector<dialect::Message> messages;
  messages.reserve(gathered_.size());
  for (const Move& move : gathered_) messages.push_back(move.message);
  std::promise<std::vector<Published>> promise;
  std::future<std::vector<Published>> future = promise.get_future();
  publisher_->Publish(std::move(messages), [&promise](std::vector<Published> published) {
    promise.set_value(std::move(published));
  });
  return future.get();
}

absl::Status Mover::Flush() {
  if (gathered_.empty()) return absl::OkStatus();
  const std::vector<Published> published = PublishAll();
  absl::Status failed;
  for (size_t i = 0; i < published.size(); ++i) {
    const Move& move = gathered_[i];
    absl::Status status = published[i].status;
    if (status.ok() && published[i].unroutable) {
      failed.Update(move.if_no_queue);
      continue;
    }
    failed.Update(status);
    if (!status.ok()) continue;
    acks_->Settle(move.tag, {});
    moved_.push_back(move.id);
  }
  gathered_.clear();
  bytes_ = 0;
  // What is moved is moved, whatever became of the others.
  OUTBOARD_RETURN_IF_ERROR(FlushAcks(*connection_, channel_, queue_, acks_));
  return failed;
}

}  // namespace outboard::bus::rabbitmq
