#include "plugins/producers/rabbitmq/login.h"

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <iterator>

namespace outboard::rabbitmq {
namespace {

amqp_table_entry_t Capability(const char* key) {
  amqp_table_entry_t entry;
  entry.key = amqp_cstring_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
  entry.value.value.boolean = 1;
  return entry;
}

amqp_table_entry_t TextEntry(const char* key, const char* text) {
  amqp_table_entry_t entry;
  entry.key = amqp_cstring_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = amqp_cstring_bytes(text);
  return entry;
}

// The library's own check knows no IP addresses.
void ExpectName(SSL_CTX* context, const std::string& host) {
  X509_VERIFY_PARAM* const check = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_ip_asc(check, host.c_str()) != 1)
    X509_VERIFY_PARAM_set1_host(check, host.c_str(), host.size());
}

bool SetUpTls(amqp_socket_t* socket, const Config& config, const std::string& host,
              std::string* fault) {
  auto* const context = static_cast<SSL_CTX*>(amqp_ssl_socket_get_context(socket));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  amqp_ssl_socket_set_verify_peer(socket, 1);
  amqp_ssl_socket_set_verify_hostname(socket, 0);
  ExpectName(context, host);
  const std::string& ca = config.tls.ca;
  const bool trusts = ca.empty() ? SSL_CTX_set_default_verify_paths(context) == 1
                                 : amqp_ssl_socket_set_cacert(socket, ca.c_str()) == AMQP_STATUS_OK;
  if (!trusts) {
    *fault = "ca_file " + ca + " cannot be used: give a readable file in PEM form";
    return false;
  }
  if (config.tls.cert.empty()) return true;
  // Without one OpenSSL would ask for it on the terminal.
  amqp_ssl_socket_set_key_passwd(socket, "");
  if (amqp_ssl_socket_set_key(socket, config.tls.cert.c_str(), config.tls.key.c_str()) ==
      AMQP_STATUS_OK) {
    return true;
  }
  *fault = "cert_file " + config.tls.cert + " and key_file " + config.tls.key +
           " cannot be used: give readable files in PEM form, the key without a passphrase";
  return false;
}

// No heartbeats: nobody would send them while no event comes. An idle connection that is gone is
// found out by the next publish, and made anew.
amqp_rpc_reply_t SendLogin(amqp_connection_state_t state, const Address& address) {
  amqp_table_entry_t capabilities[] = {
      Capability("publisher_confirms"),
      Capability("connection.blocked"),
      Capability("basic.nack"),
      Capability("authentication_failure_close"),
  };
  amqp_table_entry_t able;
  able.key = amqp_cstring_bytes("capabilities");
  able.value.kind = AMQP_FIELD_KIND_TABLE;
  able.value.value.table = {static_cast<int>(std::size(capabilities)), capabilities};
  amqp_table_entry_t entries[] = {TextEntry("product", "outboard-rabbitmq-producer"),
                                  TextEntry("version", OUTBOARD_VERSION),
                                  TextEntry("connection_name", "outboard producer"), able};
  const amqp_table_t properties = {static_cast<int>(std::size(entries)), entries};
  return amqp_login_with_properties(state, address.vhost.c_str(), 0, AMQP_DEFAULT_FRAME_SIZE, 0,
                                    &properties, AMQP_SASL_METHOD_PLAIN, address.user.c_str(),
                                    address.password.c_str());
}

bool OpenChannel(amqp_connection_state_t state, const Config& config, std::string* fault) {
  amqp_channel_open(state, kChannel);
  *fault = FaultOf(amqp_get_rpc_reply(state));
  if (fault->empty() && !config.declare.empty()) {
    amqp_exchange_declare(state, kChannel, Bytes(config.exchange), Bytes(config.declare),
                          /*passive=*/0, /*durable=*/1, /*auto_delete=*/0, /*internal=*/0,
                          amqp_empty_table);
    *fault = FaultOf(amqp_get_rpc_reply(state));
  }
  if (fault->empty()) {
    amqp_confirm_select(state, kChannel);
    *fault = FaultOf(amqp_get_rpc_reply(state));
  }
  return fault->empty();
}

}  // namespace

amqp_bytes_t Bytes(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }

std::string_view View(amqp_bytes_t bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}

std::string FaultOf(const amqp_rpc_reply_t& reply) {
  switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL: return "";
    case AMQP_RESPONSE_LIBRARY_EXCEPTION: return amqp_error_string2(reply.library_error);
    case AMQP_RESPONSE_SERVER_EXCEPTION: break;
    default: return "no answer";
  }
  if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
    const auto* close = static_cast<const amqp_connection_close_t*>(reply.reply.decoded);
    return std::string(View(close->reply_text));
  }
  if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
    const auto* close = static_cast<const amqp_channel_close_t*>(reply.reply.decoded);
    return std::string(View(close->reply_text));
  }
  return "an answer that is not understood";
}

State LogIn(const Config& config, const Address& address, std::string* fault) {
  State state(amqp_new_connection());
  amqp_socket_t* const socket =
      address.tls ? amqp_ssl_socket_new(state.get()) : amqp_tcp_socket_new(state.get());
  if (address.tls && !SetUpTls(socket, config, address.host, fault)) return nullptr;
  const timeval timeout{config.timeout.count() / 1000, config.timeout.count() % 1000 * 1000};
  if (const int status =
          amqp_socket_open_noblock(socket, address.host.c_str(), address.port, &timeout);
      status != AMQP_STATUS_OK) {
    *fault = amqp_error_string2(status);
    if (address.tls) {
      *fault += ": is it a TLS port, is its certificate for " + address.host +
                ", and is ca_file the CA of it?";
    }
    return nullptr;
  }
  amqp_set_handshake_timeout(state.get(), &timeout);
  amqp_set_rpc_timeout(state.get(), &timeout);
  const amqp_rpc_reply_t login = SendLogin(state.get(), address);
  *fault = FaultOf(login);
  // Such a broker ends the connection without a word that the library hands on.
  if (address.tls && login.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
    *fault += ": does the broker want a client certificate (cert_file and key_file) of its own CA?";
  if (!fault->empty() || !OpenChannel(state.get(), config, fault)) return nullptr;
  return state;
}

}  // namespace outboard::rabbitmq
