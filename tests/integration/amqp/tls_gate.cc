#include "tests/integration/amqp/tls_gate.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "host/base/status.h"

namespace outboard::bus::amqp {
namespace {

void AddExtension(X509* cert, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, cert, cert, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  OUTBOARD_CHECK(extension != nullptr);
  X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

SslPtr<SSL_CTX> MakeContext(const Identity& identity, const Identity* client_ca) {
  SslPtr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  OUTBOARD_CHECK(SSL_CTX_use_certificate(context.get(), identity.cert.get()) == 1);
  OUTBOARD_CHECK(SSL_CTX_use_PrivateKey(context.get(), identity.key.get()) == 1);
  if (client_ca != nullptr) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), client_ca->cert.get());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

// False when the sender has ended.
bool ToClient(int broker, SSL* ssl) {
  char buffer[16384];
  const ssize_t n = read(broker, buffer, sizeof(buffer));
  return n > 0 && SSL_write(ssl, buffer, static_cast<int>(n)) > 0;
}

bool ToBroker(SSL* ssl, int broker) {
  char buffer[16384];
  do {
    const int n = SSL_read(ssl, buffer, sizeof(buffer));
    if (n <= 0 || send(broker, buffer, static_cast<size_t>(n), MSG_NOSIGNAL) != n) return false;
  } while (SSL_pending(ssl) > 0);
  return true;
}

}  // namespace

Identity Identity::Make(const std::string& names, const Identity* issuer) {
  Identity identity{SslPtr<EVP_PKEY>(EVP_EC_gen("P-256")), SslPtr<X509>(X509_new())};
  X509* const cert = identity.cert.get();
  X509_set_version(cert, 2);
  static int serial = 0;
  ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(cert), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, identity.key.get());
  const std::string name = "test " + std::to_string(serial);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(cert, X509_get_subject_name(issuer == nullptr ? cert : issuer->cert.get()));
  if (names.empty()) {
    AddExtension(cert, NID_basic_constraints, "critical,CA:TRUE");
  } else {
    AddExtension(cert, NID_subject_alt_name, names);
  }
  EVP_PKEY* const signer = issuer == nullptr ? identity.key.get() : issuer->key.get();
  OUTBOARD_CHECK(X509_sign(cert, signer, EVP_sha256()) > 0);
  return identity;
}

void Identity::Write(const std::string& folder, const std::string& name) const {
  std::FILE* const cert_file = std::fopen((folder + "/" + name + "-cert.pem").c_str(), "w");
  std::FILE* const key_file = std::fopen((folder + "/" + name + "-key.pem").c_str(), "w");
  OUTBOARD_CHECK(cert_file != nullptr && key_file != nullptr);
  PEM_write_X509(cert_file, cert.get());
  PEM_write_PrivateKey(key_file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(cert_file);
  std::fclose(key_file);
}

TlsGate::TlsGate(const Identity& identity, const Identity* client_ca, int broker_port)
    : context_(MakeContext(identity, client_ca)),
      broker_port_(broker_port),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  OUTBOARD_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  OUTBOARD_CHECK(listen(listener_, 5) == 0);
  OUTBOARD_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

TlsGate::~TlsGate() {
  end_ = true;
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

void TlsGate::Run() {
  while (!end_) {
    const int client = accept(listener_, nullptr, nullptr);
    if (client < 0) continue;
    Serve(client);
    close(client);
  }
}

void TlsGate::Serve(int client) {
  const SslPtr<SSL> ssl(SSL_new(context_.get()));
  SSL_set_fd(ssl.get(), client);
  if (SSL_accept(ssl.get()) != 1) return;
  const int broker = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(broker_port_);
  bool both = connect(broker, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  while (both && !end_) {
    pollfd fds[] = {{client, POLLIN, 0}, {broker, POLLIN, 0}};
    poll(fds, 2, 50);
    if (fds[0].revents != 0) both = ToBroker(ssl.get(), broker);
    if (both && fds[1].revents != 0) both = ToClient(broker, ssl.get());
  }
  close(broker);
}

}  // namespace outboard::bus::amqp
