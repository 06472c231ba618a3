#include "absl/strings/str_cat.h"
#include "host/bus/amqp/connection_impl.h"
#include "host/bus/amqp/errors.h"
#include "host/bus/amqp/table.h"

// The sends of a connection: what is written at once, and answered later if at all.
namespace outboard::bus::amqp {
namespace {

constexpr size_t kFrameMargin = 64;       // Of a frame, left free beside a message's properties.
constexpr size_t kUnlookedBytes = 16384;  // Published between two looks whether there is room.

std::string Shown(const dialect::Message& message) {
  return absl::StrCat("the message to exchange ", Quoted(message.exchange), ", routing key ",
                      Quoted(message.routing_key));
}

absl::Status CheckPlace(const dialect::Message& message) {
  if (message.exchange.size() <= kMaxShortText && message.routing_key.size() <= kMaxShortText) {
    return absl::OkStatus();
  }
  const bool key = message.routing_key.size() > kMaxShortText;
  return absl::InvalidArgumentError(absl::StrCat(
      Shown(message), ": its ", key ? "routing key" : "exchange", " has ",
      key ? message.routing_key.size() : message.exchange.size(), " bytes, but 255 is the most"));
}

}  // namespace

absl::Status Connection::SendOpenChannel(Channel channel) {
  OUTBOARD_RETURN_IF_ERROR(impl_->CheckChannel(channel, ChannelState::Use::kClosed));
  impl_->frames.Open(channel);
  return impl_->SendAnswered(channel, Answered::What::kChannelOpen, AMQP_CHANNEL_OPEN_METHOD,
                             amqp_channel_open_t{});
}

absl::Status Connection::SendPrefetch(Channel channel, uint16_t count) {
  amqp_basic_qos_t qos{};
  qos.prefetch_count = count;
  return impl_->SendAnswered(channel, Answered::What::kPrefetch, AMQP_BASIC_QOS_METHOD, qos);
}

absl::Status Connection::SendConsume(Channel channel, const std::string& queue,
                                     const std::string& consumer) {
  if (queue.empty() || queue.size() > kMaxShortText || consumer.size() > kMaxShortText) {
    return absl::InvalidArgumentError(
        absl::StrCat("consuming from queue ", Quoted(queue),
                     ": the names of queue and consumer have 1 to 255 bytes"));
  }
  amqp_basic_consume_t consume{};
  consume.queue = Bytes(queue);
  consume.consumer_tag = Bytes(consumer);
  return impl_->SendAnswered(channel, Answered::What::kConsume, AMQP_BASIC_CONSUME_METHOD, consume);
}

absl::Status Connection::SendCloseChannel(Channel channel) {
  OUTBOARD_RETURN_IF_ERROR(impl_->CheckChannel(channel, ChannelState::Use::kOpen));
  amqp_channel_close_t close{};
  close.reply_code = AMQP_REPLY_SUCCESS;
  close.reply_text = Bytes("done");
  OUTBOARD_RETURN_IF_ERROR(impl_->Send(channel, AMQP_CHANNEL_CLOSE_METHOD, close));
  impl_->frames.StartClosing(channel);
  return absl::OkStatus();
}

absl::Status Connection::Ack(Channel channel, uint64_t tag, bool multiple) {
  OUTBOARD_RETURN_IF_ERROR(impl_->CheckChannel(channel, ChannelState::Use::kOpen));
  amqp_basic_ack_t ack{};
  ack.delivery_tag = tag;
  ack.multiple = multiple ? 1 : 0;
  return impl_->Send(channel, AMQP_BASIC_ACK_METHOD, ack);
}

absl::Status Connection::Publish(Channel channel, const dialect::Message& message, bool mandatory) {
  OUTBOARD_RETURN_IF_ERROR(impl_->CheckChannel(channel, ChannelState::Use::kOpen));
  OUTBOARD_RETURN_IF_ERROR(CheckPlace(message));
  recycle_amqp_pool(&impl_->pool);
  amqp_basic_properties_t properties;
  TableWriter writer(&impl_->pool);
  if (const absl::Status written = writer.Write(message.properties, &properties); !written.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(Shown(message), ": ", written.message()));
  }
  const size_t most = impl_->frame_max - kFrameMargin;
  if (writer.bytes() > most) {
    return absl::InvalidArgumentError(
        absl::StrCat(Shown(message), ": its properties and headers take ", writer.bytes(),
                     " bytes, but the broker takes ", most, " at most; shorten the headers"));
  }
  // A broker under an alarm stops reading. A write without room would block until it reads again.
  impl_->unlooked += writer.bytes() + message.body.size();
  if (impl_->unlooked >= kUnlookedBytes) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool room, impl_->frames.WaitForRoom(impl_->timeout));
    if (!room) {
      return absl::ResourceExhaustedError(
          absl::StrCat("RabbitMQ at ", impl_->endpoint,
                       " takes no messages for now; look for alarms (memory, disk) in its log"));
    }
    // Reading may have told that the broker closed the channel.
    OUTBOARD_RETURN_IF_ERROR(impl_->CheckChannel(channel, ChannelState::Use::kOpen));
    impl_->unlooked = 0;
  }
  const int sent = amqp_basic_publish(impl_->state.get(), channel, Bytes(message.exchange),
                                      Bytes(message.routing_key), mandatory ? 1 : 0, 0, &properties,
                                      Bytes(message.body));
  return sent == AMQP_STATUS_OK ? absl::OkStatus() : impl_->frames.Fail(sent);
}

}  // namespace outboard::bus::amqp
