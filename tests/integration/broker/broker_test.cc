// What the shared broker gives a test, and that a gate before it carries AMQP.

#include "tests/broker/broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/broker/gate.h"
#include "tests/integration/broker/amqp_client.h"

namespace outboard::tests {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::Optional;

TEST(BrokerTest, GivesEachTestAVhostOfItsOwn) {
  Broker& broker = Broker::Shared();
  const std::string one = broker.NewVhost();
  const std::string two = broker.NewVhost();
  EXPECT_NE(one, two);
  AmqpClient client_of_one(broker.port(), one);
  AmqpClient client_of_two(broker.port(), two);
  client_of_one.DeclareDurable("q");
  client_of_two.DeclareDurable("q");
  EXPECT_TRUE(client_of_one.Publish("q", "for one"));
  EXPECT_EQ(client_of_two.Get("q"), std::nullopt);
  EXPECT_THAT(client_of_one.Get("q"), Optional(std::string("for one")));
}

TEST(BrokerTest, CarriesMessagesThroughAGate) {
  Broker& broker = Broker::Shared();
  const std::string vhost = broker.NewVhost();
  TcpGate gate(broker.port());
  AmqpClient client(gate.port(), vhost);
  client.DeclareDurable("q");
  const std::string body(300000, 'x');  // several frames
  EXPECT_TRUE(client.Publish("q", body));
  EXPECT_TRUE(client.Get("q") == body);
  EXPECT_EQ(gate.connections(), 1);
  EXPECT_GT(gate.bytes(Direction::kToBroker), body.size());
  EXPECT_GT(gate.bytes(Direction::kToHost), body.size());
}

TEST(BrokerTest, AGateThatStopsDelaysAConfirm) {
  Broker& broker = Broker::Shared();
  const std::string vhost = broker.NewVhost();
  TcpGate gate(broker.port());
  AmqpClient client(gate.port(), vhost);
  client.DeclareDurable("q");
  gate.Stop();
  EXPECT_FALSE(client.Publish("q", "held", 1));
  AmqpClient other(broker.port(), vhost);
  EXPECT_EQ(other.Get("q"), std::nullopt);
  gate.Pass();
  EXPECT_TRUE(client.Publish("q", "next"));
  EXPECT_THAT(other.Get("q"), Optional(std::string("held")));
}

TEST(BrokerTest, TheMemoryAlarmHoldsBackPublishers) {
  Broker& broker = Broker::Shared();
  AmqpClient client(broker.port(), broker.NewVhost());
  client.DeclareDurable("q");
  broker.SetMemoryAlarm(true);
  // A connection hears of the alarm a moment later.
  bool held = false;
  for (int i = 0; i < 1000 && !held; ++i) held = !client.Publish("q", "held", 1);
  EXPECT_TRUE(held);
  broker.SetMemoryAlarm(false);
  EXPECT_TRUE(client.Publish("q", "goes"));
}

TEST(BrokerTest, DeletesAVhost) {
  Broker& broker = Broker::Shared();
  const std::string vhost = broker.NewVhost();
  EXPECT_THAT(broker.Eval("rabbit_vhost:list_names()"), HasSubstr("\"" + vhost + "\""));
  broker.DeleteVhost(vhost);
  EXPECT_THAT(broker.Eval("rabbit_vhost:list_names()"), Not(HasSubstr("\"" + vhost + "\"")));
}

TEST(BrokerTest, AnswersRabbitmqctl) {
  Broker& broker = Broker::Shared();
  const std::string vhost = broker.NewVhost();
  AmqpClient(broker.port(), vhost).DeclareDurable("seen");
  EXPECT_THAT(broker.Ctl("list_queues --silent -p " + vhost), HasSubstr("seen\t0"));
}

}  // namespace
}  // namespace outboard::tests
