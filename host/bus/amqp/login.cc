#include "host/bus/amqp/login.h"

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/bus/amqp/errors.h"
#include "host/bus/amqp/tls.h"

namespace outboard::bus::amqp {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

Duration TimeLeft(SteadyTime deadline) {
  return std::max(std::chrono::duration_cast<Duration>(deadline - std::chrono::steady_clock::now()),
                  Duration(std::chrono::milliseconds(1)));
}

amqp_table_entry_t TextEntry(const char* key, absl::string_view text) {
  amqp_table_entry_t entry;
  entry.key = amqp_cstring_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = Bytes(text);
  return entry;
}

amqp_table_entry_t Capability(const char* key) {
  amqp_table_entry_t entry;
  entry.key = amqp_cstring_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
  entry.value.value.boolean = 1;
  return entry;
}

int HeartbeatSeconds(Duration heartbeat) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(heartbeat).count();
  return static_cast<int>(std::clamp<int64_t>(seconds, 0, 65535));
}

amqp_rpc_reply_t SendLogin(amqp_connection_state_t state, const ConnectionOptions& options) {
  amqp_table_entry_t capabilities[] = {
      Capability("consumer_cancel_notify"),     Capability("publisher_confirms"),
      Capability("connection.blocked"),         Capability("basic.nack"),
      Capability("exchange_exchange_bindings"), Capability("authentication_failure_close"),
  };
  amqp_table_entry_t able;
  able.key = amqp_cstring_bytes("capabilities");
  able.value.kind = AMQP_FIELD_KIND_TABLE;
  able.value.value.table = {static_cast<int>(std::size(capabilities)), capabilities};
  amqp_table_entry_t entries[] = {
      TextEntry("product", "outboard"),
      TextEntry("version", OUTBOARD_VERSION),
      TextEntry("information", "A plugin host for event buses"),
      TextEntry("connection_name", options.name),
      able,
  };
  const amqp_table_t properties = {static_cast<int>(std::size(entries)), entries};
  return amqp_login_with_properties(
      state, options.vhost.c_str(), kChannelMax, kFrameMax, HeartbeatSeconds(options.heartbeat),
      &properties, AMQP_SASL_METHOD_PLAIN, options.user.c_str(), options.password.c_str());
}

absl::Status CheckTexts(const ConnectionOptions& options) {
  const std::pair<const char*, const std::string*> texts[] = {
      {"user", &options.user}, {"password", &options.password}, {"vhost", &options.vhost}};
  for (const auto& [what, text] : texts) {
    if (text->find('\0') != std::string::npos || text->size() > 255) {
      return absl::InvalidArgumentError(absl::StrCat("the broker's ", what,
                                                     " has a zero byte or more than 255 bytes; "
                                                     "correct it in bus.url"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LibraryState> LogIn(const ConnectionOptions& options, const Endpoint& endpoint) {
  OUTBOARD_RETURN_IF_ERROR(CheckTexts(options));
  const SteadyTime deadline = std::chrono::steady_clock::now() + options.timeout;
  LibraryState state(amqp_new_connection());
  OUTBOARD_CHECK(state != nullptr);
  std::string problem;
  // The library sets TCP_NODELAY, SO_KEEPALIVE and close-on-exec.
  amqp_socket_t* const socket =
      options.tls.on ? amqp_ssl_socket_new(state.get()) : amqp_tcp_socket_new(state.get());
  OUTBOARD_CHECK(socket != nullptr);
  if (options.tls.on) {
    OUTBOARD_RETURN_IF_ERROR(ConfigureTls(socket, options.tls, endpoint.host, &problem));
  }
  const timeval open_timeout = Timeval(TimeLeft(deadline));
  if (const int opened =
          amqp_socket_open_noblock(socket, endpoint.host.c_str(), endpoint.port, &open_timeout);
      opened != AMQP_STATUS_OK) {
    if (options.tls.on && problem.empty()) problem = LastTlsError();
    return ConnectFailure(options, endpoint, opened, problem);
  }
  const timeval login_timeout = Timeval(TimeLeft(deadline));
  amqp_set_handshake_timeout(state.get(), &login_timeout);
  const amqp_rpc_reply_t reply = SendLogin(state.get(), options);
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return state;
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
      reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
    const auto* close = static_cast<const amqp_connection_close_t*>(reply.reply.decoded);
    return LoginRefusal(options, endpoint, close->reply_code, View(close->reply_text));
  }
  return ConnectFailure(
      options, endpoint,
      reply.library_error == 0 ? AMQP_STATUS_CONNECTION_CLOSED : reply.library_error,
      options.tls.on ? LastTlsError() : "");
}

}  // namespace outboard::bus::amqp
