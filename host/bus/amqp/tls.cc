#include "host/bus/amqp/tls.h"

#include <amqp_ssl_socket.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/base/text.h"

namespace outboard::bus::amqp {
namespace {

absl::Status BadFile(absl::string_view what, const std::string& file) {
  const std::string why = LastTlsError();
  return absl::InvalidArgumentError(
      absl::StrCat("TLS to the broker: ", what, " ", EscapeForPeople(file), " cannot be used",
                   why.empty() ? "" : absl::StrCat(" (", why, ")"),
                   "; give a readable file in PEM form, a key without a passphrase"));
}

// Called for each certificate of the broker's chain; keeps what is wrong for the error's text.
int NoteProblem(int good, X509_STORE_CTX* store) {
  if (good == 0) {
    const auto* ssl = static_cast<const SSL*>(
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* problem = static_cast<std::string*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    *problem = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
  }
  return good;
}

absl::Status TrustCa(SSL_CTX* context, const std::string& file) {
  ERR_clear_error();
  if (file.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) == 1) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("TLS to the broker: the system's CA certificates cannot be read (",
                     LastTlsError(), "); set the file with the broker's CA in bus.tls"));
  }
  if (SSL_CTX_load_verify_locations(context, file.c_str(), nullptr) == 1) return absl::OkStatus();
  return BadFile("the CA file", file);
}

absl::Status SetName(SSL_CTX* context, const std::string& name) {
  X509_VERIFY_PARAM* const check = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_ip_asc(check, name.c_str()) == 1) return absl::OkStatus();
  ERR_clear_error();
  if (X509_VERIFY_PARAM_set1_host(check, name.c_str(), name.size()) == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("TLS to the broker: ", EscapeForPeople(name),
                                                 " is no name of a host; correct it"));
}

absl::Status UseKey(amqp_socket_t* socket, const Tls& tls) {
  if (tls.cert_file.empty() && tls.key_file.empty()) return absl::OkStatus();
  if (tls.cert_file.empty() || tls.key_file.empty()) {
    return absl::InvalidArgumentError(
        "TLS to the broker: a client certificate needs both its certificate file and its key file; "
        "set both, or none");
  }
  // Without one OpenSSL would ask for it on the terminal.
  amqp_ssl_socket_set_key_passwd(socket, "");
  ERR_clear_error();
  if (amqp_ssl_socket_set_key(socket, tls.cert_file.c_str(), tls.key_file.c_str()) ==
      AMQP_STATUS_OK) {
    return absl::OkStatus();
  }
  return BadFile(absl::StrCat("the client's certificate ", tls.cert_file, " with the key"),
                 tls.key_file);
}

}  // namespace

absl::Status ConfigureTls(amqp_socket_t* socket, const Tls& tls, const std::string& host,
                          std::string* problem) {
  auto* const context = static_cast<SSL_CTX*>(amqp_ssl_socket_get_context(socket));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  amqp_ssl_socket_set_verify_peer(socket, tls.verify ? 1 : 0);
  amqp_ssl_socket_set_verify_hostname(socket, 0);
  OUTBOARD_RETURN_IF_ERROR(UseKey(socket, tls));
  if (!tls.verify) return absl::OkStatus();
  OUTBOARD_RETURN_IF_ERROR(TrustCa(context, tls.ca_file));
  OUTBOARD_RETURN_IF_ERROR(SetName(context, tls.server_name.empty() ? host : tls.server_name));
  SSL_CTX_set_app_data(context, problem);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NoteProblem);
  return absl::OkStatus();
}

std::string LastTlsError() {
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? std::string() : reason;
}

}  // namespace outboard::bus::amqp
