#pragma once

#include <amqp.h>

#include <optional>
#include <string>

namespace outboard::tests {

// One connection of rabbitmq-c with one channel. What the broker refuses, or a cut, aborts, except
// where it says otherwise.
class AmqpClient {
 public:
  AmqpClient(int port, const std::string& vhost);
  ~AmqpClient();
  AmqpClient(const AmqpClient&) = delete;
  AmqpClient& operator=(const AmqpClient&) = delete;

  void DeclareDurable(const std::string& queue);
  // A persistent message; true once the broker confirmed it, false if it did not in that time or
  // the connection is cut.
  bool Publish(const std::string& queue, const std::string& body, int seconds = 20);
  // The oldest message, settled; none if the queue is empty.
  std::optional<std::string> Get(const std::string& queue);

 private:
  void Check(const char* what);

  amqp_connection_state_t connection_;
};

}  // namespace outboard::tests
