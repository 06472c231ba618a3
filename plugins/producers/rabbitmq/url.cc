#include "plugins/producers/rabbitmq/url.h"

#include <amqp.h>

namespace outboard::rabbitmq {

std::optional<Address> ParseUrl(std::string url) {
  if (url.find('\0') != std::string::npos) return std::nullopt;
  amqp_connection_info info;
  amqp_default_connection_info(&info);
  // It writes into the text, and points into it.
  if (amqp_parse_url(url.data(), &info) != AMQP_STATUS_OK) return std::nullopt;
  return Address{info.ssl != 0, info.host, info.port, info.user, info.password, info.vhost};
}

}  // namespace outboard::rabbitmq
