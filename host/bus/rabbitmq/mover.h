#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/bus/amqp/connection.h"
#include "host/bus/rabbitmq/ack_window.h"
#include "host/bus/rabbitmq/publisher.h"

namespace outboard::bus::rabbitmq {

// So long something that should come from the broker is waited for.
inline constexpr Duration kPatience = std::chrono::seconds(5);

// The next message that a consumer gets; nothing if none comes in time.
absl::StatusOr<std::optional<amqp::Delivered>> NextDelivery(amqp::Connection& connection,
                                                            Duration wait);

// Moves messages of one queue to other queues, in order and many at a time. Each is acknowledged
// once the broker has confirmed its copy: what ends between the two leaves two of it, never none.
// Blocks; on the connection that consumes the queue.
class Mover {
 public:
  // At once: as many as the prefetch of the consumer has to allow for.
  static constexpr size_t kAtOnce = 500;

  struct Move {
    uint64_t tag = 0;
    uint64_t id = 0;           // Of the dead letter.
    dialect::Message message;  // As it is to be published.
    absl::Status if_no_queue;  // The error if no queue takes it; OK: then it stays.
  };

  // `acks` is the channel's.
  Mover(Publisher* publisher, amqp::Connection* connection, amqp::Channel channel,
        std::string queue, AckWindow* acks)
      : publisher_(publisher),
        connection_(connection),
        channel_(channel),
        queue_(std::move(queue)),
        acks_(acks) {}

  // Takes it over; moves what was gathered when that is much. After an error: no more.
  absl::Status Add(Move move);
  // Moves the rest.
  absl::Status Flush();
  // Ids of those that the broker has at their new place.
  const std::vector<uint64_t>& moved() const { return moved_; }

 private:
  std::vector<Published> PublishAll();

  Publisher* const publisher_;
  amqp::Connection* const connection_;
  const amqp::Channel channel_;
  const std::string queue_;
  AckWindow* const acks_;
  std::vector<Move> gathered_;
  size_t bytes_ = 0;  // Of gathered_.
  std::vector<uint64_t> moved_;
};

}  // namespace outboard::bus::rabbitmq
