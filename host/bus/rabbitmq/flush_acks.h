#pragma once

#include <string>

#include "absl/status/status.h"
#include "host/bus/amqp/connection.h"
#include "host/bus/rabbitmq/ack_window.h"

namespace outboard::bus::rabbitmq {

// A channel of RabbitMQ keeps acknowledgements back while the leader of a quorum queue has not
// answered to more than 32 before, and forgets them at its end. What is asked of the queue in
// passing (a passive declare) is answered from what the leader knows, whatever is still on its way
// to the disk. So a channel is closed after one of these.

// For what reads a queue to its end and moves few acknowledgements at a time: sends all that `acks`
// owes, few at a time, asks the queue something after each, and gives it time at the end. Blocks.
absl::Status FlushAcks(amqp::Connection& connection, amqp::Channel channel,
                       const std::string& queue, AckWindow* acks);

// For a consumer, which may have sent thousands: after so many answers to consuming all that was
// sent before is with the leader. Consuming goes through the queue's log like acknowledgements, so
// the first answer comes after theirs, and the channel sends what it kept back; the second one
// shows that those answers were there. The new consumers get a message each at most, and end with
// the channel. Does not wait.
inline constexpr int kFlushAnswers = 2;
absl::Status SendFlush(amqp::Connection& connection, amqp::Channel channel,
                       const std::string& queue);

}  // namespace outboard::bus::rabbitmq
