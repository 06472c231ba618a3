#include <gtest/gtest.h>

#include "plugins/producers/rabbitmq/config.h"

namespace outboard::rabbitmq {
namespace {

TEST(RabbitmqUrlTest, HasItsPartsAndTheirDefaults) {
  const auto address = ParseUrl("amqps://us%40er:p%3Aw@mq1:1234/a%2Fb");
  ASSERT_TRUE(address);
  EXPECT_TRUE(address->tls);
  EXPECT_EQ(address->host, "mq1");
  EXPECT_EQ(address->port, 1234);
  EXPECT_EQ(address->user, "us@er");
  EXPECT_EQ(address->password, "p:w");
  EXPECT_EQ(address->vhost, "a/b");
  EXPECT_EQ(address->Location(), "mq1:1234/a/b");
  const auto short_one = ParseUrl("amqp://mq1");
  ASSERT_TRUE(short_one);
  EXPECT_EQ(short_one->port, 5672);
  EXPECT_EQ(short_one->vhost, "/");
  EXPECT_EQ(short_one->user, "guest");
  EXPECT_EQ(ParseUrl("amqps://mq1")->port, 5671);
  for (const char* bad : {"", "mq1", "http://mq1", "amqp://mq1:port/x", "amqp://u:p%zz@h"}) {
    EXPECT_FALSE(ParseUrl(bad)) << bad;
  }
}

TEST(RabbitmqConfigTest, ReadsAGoodOne) {
  Config config;
  const auto errors = ReadConfig(
      R"({"url": ["amqp://a", "amqp://b"], "exchange": "e", "declare": "topic", "mode": "data",
          "routing_key": "{source}.{type}", "unroutable": "accept", "timeout": "3s"})",
      &config);
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(config.brokers.size(), 2u);
  EXPECT_EQ(config.declare, "topic");
  EXPECT_EQ(config.mode, Mode::kData);
  EXPECT_EQ(config.unroutable, Unroutable::kAccept);
}

TEST(RabbitmqConfigTest, NamesEachFaultWithoutThePassword) {
  Config config;
  EXPECT_EQ(ReadConfig("{}", &config)[0].path, "/url");
  const auto errors = ReadConfig(
      R"({"url": "mqtt://u:secret@h", "declare": "topic", "routing_key": "{", "key_file": "k"})",
      &config);
  std::vector<std::string> paths;
  for (const ConfigError& error : errors) {
    paths.push_back(error.path);
    EXPECT_EQ(error.message.find("secret"), std::string::npos);
  }
  EXPECT_EQ(paths, (std::vector<std::string>{"/url", "/declare", "/routing_key", "/cert_file"}));
}

}  // namespace
}  // namespace outboard::rabbitmq
