#include "host/bus/rabbitmq/flush_acks.h"

#include <deque>

#include "host/base/status.h"

namespace outboard::bus::rabbitmq {
namespace {

// A channel keeps more than twice as many back until the queue's leader has answered.
constexpr size_t kAtATime = 16;

}  // namespace

absl::Status FlushAcks(amqp::Connection& connection, amqp::Channel channel,
                       const std::string& queue, AckWindow* acks) {
  std::deque<AckWindow::Ack> owed;
  acks->Take(Time{}, true, &owed);
  size_t sent = 0;
  for (const AckWindow::Ack& ack : owed) {
    OUTBOARD_RETURN_IF_ERROR(connection.Ack(channel, ack.tag, ack.multiple));
    if (++sent % kAtATime == 0)
      OUTBOARD_RETURN_IF_ERROR(connection.CheckQueue(channel, queue).status());
  }
  if (sent % kAtATime != 0)
    OUTBOARD_RETURN_IF_ERROR(connection.CheckQueue(channel, queue).status());
  return absl::OkStatus();
}

}  // namespace outboard::bus::rabbitmq
