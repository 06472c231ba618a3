#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

namespace outboard::bus::amqp {

struct FreeSsl {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
};
template <typename T>
using SslPtr = std::unique_ptr<T, FreeSsl>;

// A key and the certificate for it.
struct Identity {
  SslPtr<EVP_PKEY> key;
  SslPtr<X509> cert;

  // `names`: as in "DNS:mq.example,IP:127.0.0.1"; empty: a CA. Signed by `issuer`, or by itself.
  static Identity Make(const std::string& names, const Identity* issuer);
  // As PEM files in the folder: NAME-cert.pem and NAME-key.pem.
  void Write(const std::string& folder, const std::string& name) const;
};

// A loopback port that speaks TLS and passes what is in it on to the broker's plain port, one
// connection after the other. A thread of its own.
class TlsGate {
 public:
  // `client_ca`: clients must show a certificate of it; null: they need none.
  TlsGate(const Identity& identity, const Identity* client_ca, int broker_port);
  ~TlsGate();
  TlsGate(const TlsGate&) = delete;
  TlsGate& operator=(const TlsGate&) = delete;

  int port() const { return port_; }

 private:
  void Run();
  // Until either side ends.
  void Serve(int client);

  const SslPtr<SSL_CTX> context_;
  const int broker_port_;
  const int listener_;
  int port_ = 0;
  std::atomic<bool> end_ = false;
  std::thread thread_;
};

}  // namespace outboard::bus::amqp
