#include "tests/integration/broker/amqp_client.h"

#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <sys/time.h>

#include "host/base/status.h"

namespace outboard::tests {

AmqpClient::AmqpClient(int port, const std::string& vhost) : connection_(amqp_new_connection()) {
  amqp_socket_t* socket = amqp_tcp_socket_new(connection_);
  OUTBOARD_CHECK(amqp_socket_open(socket, "127.0.0.1", port) == AMQP_STATUS_OK);
  const amqp_rpc_reply_t reply = amqp_login(connection_, vhost.c_str(), 1, 131072, 0,
                                            AMQP_SASL_METHOD_PLAIN, "guest", "guest");
  OUTBOARD_CHECK(reply.reply_type == AMQP_RESPONSE_NORMAL);
  amqp_channel_open(connection_, 1);
  Check("channel.open");
  amqp_confirm_select(connection_, 1);
  Check("confirm.select");
}

AmqpClient::~AmqpClient() { amqp_destroy_connection(connection_); }

void AmqpClient::DeclareDurable(const std::string& queue) {
  amqp_queue_declare(connection_, 1, amqp_cstring_bytes(queue.c_str()), 0, 1, 0, 0,
                     amqp_empty_table);
  Check("queue.declare");
}

bool AmqpClient::Publish(const std::string& queue, const std::string& body, int seconds) {
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  const amqp_bytes_t bytes{body.size(), const_cast<char*>(body.data())};
  if (amqp_basic_publish(connection_, 1, amqp_empty_bytes, amqp_cstring_bytes(queue.c_str()), 0, 0,
                         &properties, bytes) != AMQP_STATUS_OK) {
    return false;
  }
  amqp_frame_t frame;
  const timeval patience{seconds, 0};
  for (;;) {
    if (amqp_simple_wait_frame_noblock(connection_, &frame, &patience) != AMQP_STATUS_OK) {
      return false;
    }
    if (frame.frame_type != AMQP_FRAME_METHOD || frame.channel != 1) continue;
    return frame.payload.method.id == AMQP_BASIC_ACK_METHOD;
  }
}

std::optional<std::string> AmqpClient::Get(const std::string& queue) {
  const amqp_rpc_reply_t reply =
      amqp_basic_get(connection_, 1, amqp_cstring_bytes(queue.c_str()), 1);
  OUTBOARD_CHECK(reply.reply_type == AMQP_RESPONSE_NORMAL);
  if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD) return std::nullopt;
  amqp_message_t message;
  OUTBOARD_CHECK(amqp_read_message(connection_, 1, &message, 0).reply_type == AMQP_RESPONSE_NORMAL);
  std::string body(static_cast<const char*>(message.body.bytes), message.body.len);
  amqp_destroy_message(&message);
  return body;
}

void AmqpClient::Check(const char* what) {
  const amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection_);
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
    fprintf(stderr, "%s: %s\n", what, amqp_error_string2(reply.library_error));
  }
  OUTBOARD_CHECK(reply.reply_type == AMQP_RESPONSE_NORMAL);
}

}  // namespace outboard::tests
