#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/bus/rabbitmq/rabbitmq_bus.h"
#include "tests/broker/broker.h"
#include "tests/broker/gate.h"
#include "tests/contract/bus_harness.h"

namespace outboard::bus {

// Hosts on a vhost of their own, behind a gate; and a bare connection beside them.
class RabbitmqFixture : public ::testing::Test {
 protected:
  RabbitmqFixture()
      : gate_(tests::Broker::Shared().port()), vhost_(tests::Broker::Shared().NewVhost()) {
    char folder[] = "/tmp/outboard-rabbitmq-XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~RabbitmqFixture() override {
    tests::Broker::Shared().DeleteVhost(vhost_);
    std::filesystem::remove_all(folder_);
  }

  RabbitmqBusOptions Options(const std::string& host = "outboard") {
    RabbitmqBusOptions options;
    options.connection.endpoints = {{"127.0.0.1", gate_.port()}};
    options.connection.vhost = vhost_;
    options.host = host;
    options.replica = "here";
    options.data = folder_ + "/" + host;
    options.rungs = {std::chrono::milliseconds(500)};
    options.counting = {Duration::zero(), std::chrono::seconds(30)};
    options.clock = &clock_;
    return options;
  }
  std::unique_ptr<RabbitmqBus> Open(RabbitmqBusOptions options) {
    auto bus = RabbitmqBus::Open(std::move(options));
    EXPECT_TRUE(bus.ok()) << bus.status();
    return bus.ok() ? *std::move(bus) : nullptr;
  }
  static void Declare(Bus& bus, const std::vector<LaneSpec>& lanes) {
    const absl::Status status = bus.Declare(lanes);
    ASSERT_TRUE(status.ok()) << status;
  }

  // Runs `call` on an open channel of a connection of the test's own.
  template <typename Call>
  void OnBroker(Call call) {
    amqp::ConnectionOptions options;
    options.endpoints = {{"127.0.0.1", tests::Broker::Shared().port()}};
    options.vhost = vhost_;
    auto connection = amqp::Connection::Connect(options);
    ASSERT_TRUE(connection.ok()) << connection.status();
    ASSERT_TRUE((*connection)->OpenChannel(1).ok());
    const absl::Status status = call(**connection, amqp::Channel{1});
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_TRUE((*connection)->CloseChannel(1).ok());
  }
  void DeleteQueue(const std::string& queue) {
    OnBroker([&](amqp::Connection& connection, amqp::Channel channel) {
      return connection.DeleteQueue(channel, queue).status();
    });
  }

  static std::vector<DeadLetter> List(Bus& bus, const DeadFilter& filter = {}) {
    uint64_t total = 0;
    auto letters = bus.ListDead(filter, 0, 100'000, &total);
    EXPECT_TRUE(letters.ok()) << letters.status();
    if (!letters.ok()) return {};
    EXPECT_EQ(total, letters->size());
    return *std::move(letters);
  }
  static std::vector<std::string> IdsOf(const std::vector<DeadLetter>& letters) {
    std::vector<std::string> ids;
    for (const DeadLetter& letter : letters)
      ids.emplace_back(letter.event.id().data(), letter.event.id().size());
    return ids;
  }
  static DeadFilter OfLane(const std::string& lane) { return {lane, "", {}}; }
  static DeadFilter OfReason(const std::string& reason) { return {"", reason, {}}; }
  static DeadFilter OfId(uint64_t id) { return {"", "", {id}}; }

  tests::TcpGate gate_;
  const std::string vhost_;
  std::string folder_;
  TestClock clock_;
};

}  // namespace outboard::bus
