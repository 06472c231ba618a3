#include "plugins/producers/rabbitmq/connection.h"

#include <amqp_framing.h>

#include <vector>

namespace outboard::rabbitmq {
namespace {

amqp_field_value_t FieldOf(const Message::Value& value) {
  amqp_field_value_t field;
  if (const auto* flag = std::get_if<bool>(&value)) {
    field.kind = AMQP_FIELD_KIND_BOOLEAN;
    field.value.boolean = *flag ? 1 : 0;
  } else if (const auto* number = std::get_if<int32_t>(&value)) {
    field.kind = AMQP_FIELD_KIND_I32;
    field.value.i32 = *number;
  } else {
    field.kind = AMQP_FIELD_KIND_UTF8;
    field.value.bytes = Bytes(std::get<std::string>(value));
  }
  return field;
}

}  // namespace

Connection::~Connection() {
  if (!broken()) amqp_connection_close(state_.get(), AMQP_REPLY_SUCCESS);
}

void Connection::Break(int status) {
  if (fault_.empty()) fault_ = amqp_error_string2(status);
}

void Connection::Publish(const std::string& exchange, const Message& message, bool mandatory) {
  constexpr uint8_t kPersistent = 2;
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = kPersistent;
  const auto set = [&](const std::string& text, amqp_flags_t flag, amqp_bytes_t* property) {
    if (text.empty()) return;
    properties._flags |= flag;
    *property = Bytes(text);
  };
  set(message.content_type, AMQP_BASIC_CONTENT_TYPE_FLAG, &properties.content_type);
  set(message.message_id, AMQP_BASIC_MESSAGE_ID_FLAG, &properties.message_id);
  set(message.app_id, AMQP_BASIC_APP_ID_FLAG, &properties.app_id);
  set(message.type, AMQP_BASIC_TYPE_FLAG, &properties.type);
  if (message.timestamp != 0) {
    properties._flags |= AMQP_BASIC_TIMESTAMP_FLAG;
    properties.timestamp = message.timestamp;
  }
  std::vector<amqp_table_entry_t> entries;
  for (const auto& [name, value] : message.headers) {
    entries.push_back({Bytes(name), FieldOf(value)});
  }
  if (!entries.empty()) {
    properties._flags |= AMQP_BASIC_HEADERS_FLAG;
    properties.headers = {static_cast<int>(entries.size()), entries.data()};
  }
  const int status =
      amqp_basic_publish(state_.get(), kChannel, Bytes(exchange), Bytes(message.routing_key),
                         mandatory ? 1 : 0, /*immediate=*/0, &properties, Bytes(message.body));
  ++published_;
  if (status != AMQP_STATUS_OK) Break(status);
}

bool Connection::Read(std::chrono::milliseconds wait, const Listener& listener) {
  bool any = false;
  while (!broken()) {
    const timeval timeout{any ? 0 : wait.count() / 1000, any ? 0 : wait.count() % 1000 * 1000};
    amqp_frame_t frame;
    const int status = amqp_simple_wait_frame_noblock(state_.get(), &frame, &timeout);
    if (status == AMQP_STATUS_TIMEOUT) return any;
    if (status != AMQP_STATUS_OK) {
      Break(status);
      return any;
    }
    any = true;
    Take(frame, listener);
    amqp_maybe_release_buffers(state_.get());
  }
  return any;
}

void Connection::Take(const amqp_frame_t& frame, const Listener& listener) {
  if (frame.frame_type != AMQP_FRAME_METHOD) return;
  const amqp_method_t& method = frame.payload.method;
  switch (method.id) {
    case AMQP_BASIC_ACK_METHOD: {
      const auto* ack = static_cast<const amqp_basic_ack_t*>(method.decoded);
      return listener.answered(ack->delivery_tag, ack->multiple != 0, true);
    }
    case AMQP_BASIC_NACK_METHOD: {
      const auto* nack = static_cast<const amqp_basic_nack_t*>(method.decoded);
      return listener.answered(nack->delivery_tag, nack->multiple != 0, false);
    }
    case AMQP_BASIC_RETURN_METHOD: return TakeReturned(listener);
    case AMQP_CONNECTION_BLOCKED_METHOD: blocked_ = true; return;
    case AMQP_CONNECTION_UNBLOCKED_METHOD: blocked_ = false; return;
    case AMQP_CHANNEL_CLOSE_METHOD:
      fault_ = View(static_cast<const amqp_channel_close_t*>(method.decoded)->reply_text);
      return;
    case AMQP_CONNECTION_CLOSE_METHOD:
      fault_ = View(static_cast<const amqp_connection_close_t*>(method.decoded)->reply_text);
      return;
    default: return;
  }
}

void Connection::TakeReturned(const Listener& listener) {
  amqp_message_t message;
  const amqp_rpc_reply_t reply = amqp_read_message(state_.get(), kChannel, &message, 0);
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
    fault_ = FaultOf(reply);
    return;
  }
  const amqp_basic_properties_t& properties = message.properties;
  const bool has_id = (properties._flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0;
  const bool has_app = (properties._flags & AMQP_BASIC_APP_ID_FLAG) != 0;
  listener.returned(has_id ? View(properties.message_id) : std::string_view(),
                    has_app ? View(properties.app_id) : std::string_view());
  amqp_destroy_message(&message);
}

}  // namespace outboard::rabbitmq
