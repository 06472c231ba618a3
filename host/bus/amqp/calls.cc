#include "absl/strings/str_cat.h"
#include "host/bus/amqp/connection_impl.h"
#include "host/bus/amqp/errors.h"

// The calls of a connection: what blocks until the broker answered.
namespace outboard::bus::amqp {
namespace {

// Of a queue, exchange, binding or consumer.
absl::Status CheckName(absl::string_view what, const std::string& name) {
  if (name.size() > kMaxShortText) {
    return absl::InvalidArgumentError(absl::StrCat("the ", what, " ", Quoted(name), " has ",
                                                   name.size(), " bytes, but 255 is the most"));
  }
  if (name.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("the ", what, " ", Quoted(name), " has a zero byte; take it out"));
  }
  return absl::OkStatus();
}

// No name would mean: the queue that this channel declared last.
absl::Status CheckQueueName(const std::string& name) {
  if (name.empty()) return absl::InvalidArgumentError("the queue has no name; give it one");
  return CheckName("queue name", name);
}

// For queue.bind and queue.unbind, which say the same; refers to the texts.
template <typename Method>
absl::StatusOr<Method> Binding(const std::string& queue, const std::string& exchange,
                               const std::string& key) {
  OUTBOARD_RETURN_IF_ERROR(CheckQueueName(queue));
  OUTBOARD_RETURN_IF_ERROR(CheckName("exchange name", exchange));
  OUTBOARD_RETURN_IF_ERROR(CheckName("binding key", key));
  Method method{};
  method.queue = Bytes(queue);
  method.exchange = Bytes(exchange);
  method.routing_key = Bytes(key);
  return method;
}

}  // namespace

absl::Status Connection::OpenChannel(Channel channel) {
  OUTBOARD_RETURN_IF_ERROR(impl_->CheckChannel(channel, ChannelState::Use::kClosed));
  impl_->frames.Open(channel);
  return impl_
      ->Call(channel, absl::StrCat("opening channel ", channel), AMQP_CHANNEL_OPEN_METHOD,
             amqp_channel_open_t{}, AMQP_CHANNEL_OPEN_OK_METHOD)
      .status();
}

absl::Status Connection::CloseChannel(Channel channel) {
  OUTBOARD_RETURN_IF_ERROR(SendCloseChannel(channel));
  PendingCall call{.channel = channel, .answer = AMQP_CHANNEL_CLOSE_OK_METHOD, .text = {}};
  const absl::Status closed =
      impl_->Await(call, absl::StrCat("closing channel ", channel)).status();
  // The broker closed it at the same time: closed all the same.
  return call.state == PendingCall::State::kRefused ? absl::OkStatus() : closed;
}

absl::Status Connection::SelectConfirms(Channel channel) {
  return impl_
      ->Call(channel, "asking for confirms", AMQP_CONFIRM_SELECT_METHOD, amqp_confirm_select_t{},
             AMQP_CONFIRM_SELECT_OK_METHOD)
      .status();
}

absl::Status Connection::DeclareExchange(Channel channel, const std::string& name,
                                         const std::string& type, bool passive,
                                         const dialect::Table& arguments) {
  OUTBOARD_RETURN_IF_ERROR(CheckName("exchange name", name));
  OUTBOARD_RETURN_IF_ERROR(CheckName("exchange type", type));
  amqp_exchange_declare_t declare{};
  declare.exchange = Bytes(name);
  declare.type = Bytes(type);
  declare.passive = passive ? 1 : 0;
  declare.durable = 1;
  const std::string exchange = absl::StrCat("exchange ", Quoted(name));
  OUTBOARD_ASSIGN_OR_RETURN(declare.arguments, impl_->Arguments(exchange, arguments));
  return impl_
      ->Call(channel, absl::StrCat(passive ? "looking for " : "declaring ", exchange),
             AMQP_EXCHANGE_DECLARE_METHOD, declare, AMQP_EXCHANGE_DECLARE_OK_METHOD)
      .status();
}

absl::StatusOr<QueueCount> Connection::DeclareQueue(Channel channel, const QueueSpec& queue) {
  OUTBOARD_RETURN_IF_ERROR(CheckQueueName(queue.name));
  amqp_queue_declare_t declare{};
  declare.queue = Bytes(queue.name);
  declare.durable = queue.durable ? 1 : 0;
  declare.exclusive = queue.exclusive ? 1 : 0;
  declare.auto_delete = queue.auto_delete ? 1 : 0;
  const std::string named = absl::StrCat("queue ", Quoted(queue.name));
  OUTBOARD_ASSIGN_OR_RETURN(declare.arguments, impl_->Arguments(named, queue.arguments));
  OUTBOARD_ASSIGN_OR_RETURN(
      const PendingCall call,
      impl_->Call(channel, absl::StrCat("declaring ", named), AMQP_QUEUE_DECLARE_METHOD, declare,
                  AMQP_QUEUE_DECLARE_OK_METHOD));
  return QueueCount{.ready = call.messages, .consumers = call.consumers};
}

absl::StatusOr<QueueCount> Connection::CheckQueue(Channel channel, const std::string& name) {
  OUTBOARD_RETURN_IF_ERROR(CheckQueueName(name));
  amqp_queue_declare_t declare{};
  declare.queue = Bytes(name);
  declare.passive = 1;
  OUTBOARD_ASSIGN_OR_RETURN(
      const PendingCall call,
      impl_->Call(channel, absl::StrCat("looking for queue ", Quoted(name)),
                  AMQP_QUEUE_DECLARE_METHOD, declare, AMQP_QUEUE_DECLARE_OK_METHOD));
  return QueueCount{.ready = call.messages, .consumers = call.consumers};
}

absl::Status Connection::BindQueue(Channel channel, const std::string& queue,
                                   const std::string& exchange, const std::string& key) {
  OUTBOARD_ASSIGN_OR_RETURN(const auto bind, Binding<amqp_queue_bind_t>(queue, exchange, key));
  return impl_
      ->Call(channel,
             absl::StrCat("binding queue ", Quoted(queue), " to exchange ", Quoted(exchange),
                          " by key ", Quoted(key)),
             AMQP_QUEUE_BIND_METHOD, bind, AMQP_QUEUE_BIND_OK_METHOD)
      .status();
}

absl::Status Connection::UnbindQueue(Channel channel, const std::string& queue,
                                     const std::string& exchange, const std::string& key) {
  OUTBOARD_ASSIGN_OR_RETURN(const auto unbind, Binding<amqp_queue_unbind_t>(queue, exchange, key));
  return impl_
      ->Call(channel,
             absl::StrCat("unbinding queue ", Quoted(queue), " from exchange ", Quoted(exchange),
                          " by key ", Quoted(key)),
             AMQP_QUEUE_UNBIND_METHOD, unbind, AMQP_QUEUE_UNBIND_OK_METHOD)
      .status();
}

absl::Status Connection::BindExchange(Channel channel, const std::string& to,
                                      const std::string& from, const std::string& key) {
  OUTBOARD_RETURN_IF_ERROR(CheckName("exchange name", to));
  OUTBOARD_RETURN_IF_ERROR(CheckName("exchange name", from));
  OUTBOARD_RETURN_IF_ERROR(CheckName("binding key", key));
  amqp_exchange_bind_t bind{};
  bind.destination = Bytes(to);
  bind.source = Bytes(from);
  bind.routing_key = Bytes(key);
  return impl_
      ->Call(channel,
             absl::StrCat("binding exchange ", Quoted(to), " to exchange ", Quoted(from),
                          " by key ", Quoted(key)),
             AMQP_EXCHANGE_BIND_METHOD, bind, AMQP_EXCHANGE_BIND_OK_METHOD)
      .status();
}

absl::StatusOr<uint32_t> Connection::DeleteQueue(Channel channel, const std::string& name) {
  OUTBOARD_RETURN_IF_ERROR(CheckQueueName(name));
  amqp_queue_delete_t remove{};
  remove.queue = Bytes(name);
  OUTBOARD_ASSIGN_OR_RETURN(
      const PendingCall call,
      impl_->Call(channel, absl::StrCat("deleting queue ", Quoted(name)), AMQP_QUEUE_DELETE_METHOD,
                  remove, AMQP_QUEUE_DELETE_OK_METHOD));
  return call.messages;
}

absl::Status Connection::SetPrefetch(Channel channel, uint16_t count) {
  amqp_basic_qos_t qos{};
  qos.prefetch_count = count;
  return impl_
      ->Call(channel, absl::StrCat("setting the prefetch to ", count), AMQP_BASIC_QOS_METHOD, qos,
             AMQP_BASIC_QOS_OK_METHOD)
      .status();
}

absl::Status Connection::Consume(Channel channel, const std::string& queue,
                                 const std::string& consumer) {
  OUTBOARD_RETURN_IF_ERROR(CheckQueueName(queue));
  OUTBOARD_RETURN_IF_ERROR(CheckName("consumer name", consumer));
  amqp_basic_consume_t consume{};
  consume.queue = Bytes(queue);
  consume.consumer_tag = Bytes(consumer);
  return impl_
      ->Call(channel, absl::StrCat("consuming from queue ", Quoted(queue)),
             AMQP_BASIC_CONSUME_METHOD, consume, AMQP_BASIC_CONSUME_OK_METHOD)
      .status();
}

}  // namespace outboard::bus::amqp
