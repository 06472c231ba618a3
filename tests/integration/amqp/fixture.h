#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "host/bus/amqp/connection.h"
#include "tests/broker/broker.h"

// What the tests of the connection share: an empty vhost of the real broker, and short words.
namespace outboard::bus::amqp {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): of literals only.

inline constexpr Duration kSoon = 5s;  // Until something is there that must come.

class AmqpTest : public ::testing::Test {
 protected:
  AmqpTest() : vhost_(tests::Broker::Shared().NewVhost()) {}
  ~AmqpTest() override { tests::Broker::Shared().DeleteVhost(vhost_); }

  ConnectionOptions Options() const {
    ConnectionOptions options = *ParseUrl(tests::Broker::Shared().Url(vhost_));
    options.name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    return options;
  }
  std::unique_ptr<Connection> Connect() const { return Connect(Options()); }
  static std::unique_ptr<Connection> Connect(const ConnectionOptions& options) {
    auto connection = Connection::Connect(options);
    EXPECT_TRUE(connection.ok()) << connection.status();
    return connection.ok() ? *std::move(connection) : nullptr;
  }
  // With channels 1 to `channels`.
  std::unique_ptr<Connection> ConnectWith(int channels) const {
    std::unique_ptr<Connection> connection = Connect();
    for (int i = 1; i <= channels; ++i) {
      EXPECT_EQ(connection->OpenChannel(static_cast<Channel>(i)), absl::OkStatus());
    }
    return connection;
  }

  const std::string vhost_;
};

inline std::string Said(const absl::Status& status) { return std::string(status.message()); }

// The next thing that comes.
inline std::optional<Incoming> Next(Connection& connection, Duration wait = kSoon) {
  absl::StatusOr<std::optional<Incoming>> next = connection.Read(wait);
  EXPECT_TRUE(next.ok()) << next.status();
  return next.ok() ? *std::move(next) : std::nullopt;
}

// The next thing, which must be a T; an empty T if it is not.
template <typename T>
T NextOf(Connection& connection) {
  std::optional<Incoming> next = Next(connection);
  if (!next.has_value()) {
    ADD_FAILURE() << "nothing came";
    return T();
  }
  if (!std::holds_alternative<T>(*next)) {
    ADD_FAILURE() << "something else came: number " << next->index() << " of Incoming";
    return T();
  }
  return std::get<T>(std::move(*next));
}

inline bool Nothing(Connection& connection, Duration wait = 100ms) {
  return !Next(connection, wait).has_value();
}

// Why the connection ended, reading until it does.
inline absl::Status ReadToEnd(Connection& connection, Duration most) {
  const auto end = std::chrono::steady_clock::now() + most;
  while (std::chrono::steady_clock::now() < end) {
    if (const auto next = connection.Read(50ms); !next.ok()) return next.status();
  }
  return absl::OkStatus();
}

inline dialect::Message ToQueue(const std::string& queue, std::string body) {
  dialect::Message message;
  message.routing_key = queue;
  message.body = std::move(body);
  return message;
}

// Publishes and waits for the confirm.
inline void PublishConfirmed(Connection& connection, Channel channel,
                             const dialect::Message& message) {
  ASSERT_EQ(connection.Publish(channel, message, true), absl::OkStatus());
  const auto confirmed = NextOf<Confirmed>(connection);
  EXPECT_EQ(confirmed.channel, channel);
  EXPECT_TRUE(confirmed.accepted);
}

inline QueueSpec Queue(const std::string& name) {
  QueueSpec queue;
  queue.name = name;
  return queue;
}

}  // namespace outboard::bus::amqp
