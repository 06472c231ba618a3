#pragma once

#include <optional>
#include <string>

namespace outboard::rabbitmq {

// Where a broker is and who we are there.
struct Address {
  bool tls = false;
  std::string host;
  int port = 0;
  std::string user, password, vhost;

  // For people: no password.
  std::string Location() const { return host + ":" + std::to_string(port) + "/" + vhost; }
};

// "amqp[s]://user:password@host:port/vhost", percent-encoded. Nothing where it is none.
std::optional<Address> ParseUrl(std::string url);

}  // namespace outboard::rabbitmq
