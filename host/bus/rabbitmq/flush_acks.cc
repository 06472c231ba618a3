#include "host/bus/rabbitmq/flush_acks.h"

#include <chrono>
#include <deque>
#include <thread>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"

namespace outboard::bus::rabbitmq {
namespace {

// A channel keeps more than twice as many back until the queue's leader has answered.
constexpr size_t kAtATime = 16;
// Until the channel has heard of what it sent, and sent what it kept back.
constexpr int kRounds = 10;
constexpr auto kPause = std::chrono::milliseconds(2);

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
  for (int round = sent > 0 ? kRounds : 0; round > 0; --round) {
    OUTBOARD_RETURN_IF_ERROR(connection.CheckQueue(channel, queue).status());
    std::this_thread::sleep_for(kPause);
  }
  return absl::OkStatus();
}

absl::Status SendFlush(amqp::Connection& connection, amqp::Channel channel,
                       const std::string& queue) {
  OUTBOARD_RETURN_IF_ERROR(connection.SendPrefetch(channel, 1));
  for (int i = 0; i < kFlushAnswers; ++i) {
    OUTBOARD_RETURN_IF_ERROR(connection.SendConsume(channel, queue, absl::StrCat("flush ", i)));
  }
  return absl::OkStatus();
}

}  // namespace outboard::bus::rabbitmq
