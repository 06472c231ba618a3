#pragma once

#include <string>

#include "absl/status/status.h"
#include "host/bus/rabbitmq/ack_window.h"
#include "host/bus/rabbitmq/connection.h"

namespace outboard::bus::rabbitmq {

// Sends all that `acks` owes, before its channel is closed. A quorum queue drops acknowledgements
// that it has not taken yet when the channel ends, so few are sent at a time and the queue is asked
// something after each. Blocks.
absl::Status FlushAcks(amqp::Connection& connection, amqp::Channel channel,
                       const std::string& queue, AckWindow* acks);

}  // namespace outboard::bus::rabbitmq
