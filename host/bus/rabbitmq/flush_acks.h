#pragma once

#include <string>

#include "absl/status/status.h"
#include "host/bus/rabbitmq/ack_window.h"
#include "host/bus/rabbitmq/connection.h"

namespace outboard::bus::rabbitmq {

// Sends all that `acks` owes, before its channel is closed. A channel keeps acknowledgements back
// while the leader of a quorum queue has not answered to many before, and forgets them at its end:
// so few are sent at a time and the queue is asked something after each; more often at the end, and
// also if `busy`, where many were sent just before. Blocks.
absl::Status FlushAcks(amqp::Connection& connection, amqp::Channel channel,
                       const std::string& queue, AckWindow* acks, bool busy);

}  // namespace outboard::bus::rabbitmq
