#include "host/config/rabbitmq_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string WithBroker(const std::string& rest) {
  return "bus: {kind: rabbitmq, url: \"amqp://h\"}\n" + rest;
}

const char kOrdered[] =
    "routes: [{name: r, to: p, delivery: {order_by: subject}, retry: {max_attempts: 8}}]\n";

TEST(RabbitmqLimitsTest, RefusesAHandlerThatMayTakeLongerThanTheBrokerWaits) {
  const std::string plugin = "plugins: [{name: p, run: x, time_limit: 6m}]\n";
  EXPECT_THAT(Problems(WithBroker(plugin)),
              HasSubstr("plugins[0]: time_limit (6m) is above what RabbitMQ allows for (5m)"));
  EXPECT_THAT(Read(plugin).problems, IsEmpty());
}

TEST(RabbitmqLimitsTest, RefusesAnOrderedLaneThatHoldsForTooLong) {
  EXPECT_THAT(Problems(WithBroker(std::string("plugins: [{name: p, run: x}]\n") + kOrdered)),
              IsEmpty());
  EXPECT_THAT(
      Problems(
          WithBroker(std::string("plugins: [{name: p, run: x, time_limit: 1m}]\n") + kOrdered)),
      HasSubstr("routes[0]: an event that fails each time is held for more than 8m by the ordered "
                "lane r/p (8 attempts of 1m and the delays between)"));
}

TEST(RabbitmqLimitsTest, RefusesWhatAQueueCannotDo) {
  const std::string plugin = "plugins: [{name: p, run: x}]\n";
  EXPECT_THAT(Problems(WithBroker(plugin + "routes: [{name: r, to: p, from: first}]\n")),
              HasSubstr("routes[0]: from: RabbitMQ's queues cannot be read again; remove from"));
  const std::string broadcast = "routes: [{name: r, to: p, delivery: {mode: broadcast}}]\n";
  EXPECT_THAT(Problems(WithBroker(plugin + broadcast)),
              HasSubstr("a reliable broadcast keeps a queue for each replica"));
  EXPECT_THAT(Problems(WithBroker("host: {replica: r1}\n" + plugin + broadcast)), IsEmpty());
}

}  // namespace
}  // namespace outboard::config
