#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ReadBusTest, ReadsEveryKey) {
  const ReadResult result = Read(R"(
bus:
  kind: embedded
  path: log
  synchronous: normal
  retain: {time: 1d, bytes: 2GiB}
  max_bytes: 4GiB
  max_event_bytes: 64KiB
)");
  ASSERT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  const Bus& bus = result.config.bus;
  EXPECT_EQ(bus.kind, "embedded");
  EXPECT_EQ(bus.path, "/srv/app/log");
  EXPECT_EQ(bus.synchronous, Synchronous::kNormal);
  EXPECT_EQ(bus.retain_for, std::chrono::hours(24));
  EXPECT_EQ(bus.retain_bytes, uint64_t{2} << 30);
  EXPECT_EQ(bus.max_bytes, uint64_t{4} << 30);
  EXPECT_EQ(bus.max_event_bytes, uint64_t{64} << 10);
}

TEST(ReadBusTest, LiesInTheDataFolderByDefault) {
  EXPECT_EQ(Read("host: {data: d}").config.bus.path, "/srv/app/d");
  EXPECT_EQ(Read("").config.bus.kind, "embedded");
}

TEST(ReadBusTest, RefusesSizesThatContradictEachOther) {
  EXPECT_THAT(Problems("bus: {max_bytes: 1MiB, max_event_bytes: 2MiB}"),
              HasSubstr("bus.max_bytes: max_bytes (1MiB) is less than one event may have (2MiB)"));
  EXPECT_THAT(Problems("bus: {max_bytes: 1MiB, retain: {bytes: 2MiB}}"),
              HasSubstr("bus.max_bytes: max_bytes (1MiB) is less than retain.bytes (2MiB)"));
}

TEST(ReadBusTest, KeepsNoMoreThanItMayHold) {
  const ReadResult result = Read("bus: {max_bytes: 100MiB}");
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_EQ(result.config.bus.retain_bytes, uint64_t{100} << 20);
}

TEST(ReadBusTest, WarnsThatOffLosesEvents) {
  const ReadResult result = Read("bus: {synchronous: off}");
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_EQ(result.config.bus.synchronous, Synchronous::kOff);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_THAT(result.warnings[0].text(), HasSubstr("bus.synchronous: with off a power cut loses"));
}

TEST(ReadBusTest, KnowsTheKinds) {
  EXPECT_EQ(Read("bus: {kind: memory}").config.bus.kind, "memory");
  EXPECT_THAT(Problems("bus: {kind: kafka}"),
              HasSubstr("unknown value \"kafka\"; use one of embedded, memory, rabbitmq"));
}

TEST(ReadBusTest, ArgumentsOfTheHostsOwnOrThatLoseEventsAreRefused) {
  const auto problem = [](const std::string& argument) {
    const ReadResult result =
        Read("bus: {kind: rabbitmq, url: amqp://mq/v, queue_arguments: {" + argument + "}}\n");
    return ToText(result.problems);
  };
  EXPECT_THAT(problem("x-queue-type: stream"), HasSubstr("is set by the host itself"));
  EXPECT_THAT(problem("x-delivery-limit: 5"), HasSubstr("is set by the host itself"));
  EXPECT_THAT(problem("x-message-ttl: 1000"), HasSubstr("would lose events"));
  EXPECT_THAT(problem("durable: false"), HasSubstr("is no argument of a queue"));
  EXPECT_THAT(problem("x-max-length: [1]"), HasSubstr("give a text, a whole number"));
}

TEST(ReadBusTest, ReadsWhatABrokerNeeds) {
  const ReadResult result = Read(R"(
host: {replica: r1}
bus:
  kind: rabbitmq
  url: amqps://u:pass@mq1,mq2/vhost
  queue_type: classic
  queue_arguments: {x-max-priority: 3, x-queue-mode: lazy, x-text: "7", x-flag: true}
  declare: passive
  prefetch: 50
  prefetch_bytes: 4MiB
  heartbeat: 5s
  max_event_bytes: 64KiB
  tls: {ca_file: ca.pem, cert_file: c.pem, key_file: k.pem, server_name: mq}
  dialect: {form: protobuf}
)");
  ASSERT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  EXPECT_EQ(result.config.host.replica, "r1");
  EXPECT_EQ(result.config.bus.max_event_bytes, uint64_t{64} << 10);
  const Rabbitmq& rabbitmq = result.config.bus.rabbitmq;
  EXPECT_EQ(rabbitmq.url, "amqps://u:pass@mq1,mq2/vhost");
  EXPECT_FALSE(rabbitmq.quorum);
  EXPECT_FALSE(rabbitmq.declare);
  using dialect::Field;
  const dialect::Table arguments = {{"x-max-priority", Field::Number(3)},
                                    {"x-queue-mode", Field::Text("lazy")},
                                    {"x-text", Field::Text("7")},
                                    {"x-flag", Field::Bool(true)}};
  EXPECT_EQ(rabbitmq.queue_arguments, arguments);
  EXPECT_EQ(rabbitmq.prefetch, 50u);
  EXPECT_EQ(rabbitmq.prefetch_bytes, 4u << 20);
  EXPECT_EQ(rabbitmq.heartbeat, std::chrono::seconds(5));
  EXPECT_EQ(rabbitmq.tls.ca_file, "/srv/app/ca.pem");
  EXPECT_EQ(rabbitmq.tls.server_name, "mq");
  EXPECT_EQ(rabbitmq.dialect.form, dialect::CloudEventsForm::kProtobuf);
}

// With a broker's URL, and `rest` in the lines of bus.
std::string Broker(const std::string& rest) {
  return "bus:\n  kind: rabbitmq\n  url: amqp://h\n" + rest;
}

TEST(ReadBusTest, ReadsSourcesThatDiffer) {
  const ReadResult result = Read(Broker(R"(  sources:
    nova:
      exchange: openstack
      declare: passive
      routing_keys: [notifications.*, versioned_notifications.*]
      dialect: {kind: json}
    other: {}
  declare: passive
  dialect: {kind: raw, prefix: ce-}
)"));
  ASSERT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  const Source& nova = result.config.bus.rabbitmq.sources.at("nova");
  EXPECT_EQ(nova.exchange, "openstack");
  EXPECT_FALSE(nova.declare);
  EXPECT_THAT(nova.routing_keys, ElementsAre("notifications.*", "versioned_notifications.*"));
  EXPECT_EQ(nova.dialect.kind, dialect::Kind::kJson);
  EXPECT_EQ(nova.dialect.prefix, "cloudEvents:") << "a dialect stands for itself";
  const Source& other = result.config.bus.rabbitmq.sources.at("other");
  EXPECT_EQ(other.exchange, "other");
  EXPECT_THAT(other.routing_keys, ElementsAre("#"));
  EXPECT_FALSE(other.declare) << "the bus's, wherever it stands";
  EXPECT_EQ(other.dialect, result.config.bus.rabbitmq.dialect);
}

TEST(ReadBusTest, RefusesSourcesThatCannotBe) {
  EXPECT_THAT(Problems(Broker("  sources: {a: {exchang: x}}\n")),
              HasSubstr("outboard.yaml:4:17: bus.sources.a.exchang: unknown key; did you mean "
                        "exchange?"));
  EXPECT_THAT(Problems(Broker("  sources: {a: {exchange: \"\"}}\n")),
              HasSubstr("bus.sources.a.exchange: is empty; name one, or remove the key"));
  EXPECT_THAT(Problems(Broker("  sources: {a: {exchange: outboard.due}}\n")),
              HasSubstr("bus.sources.a.exchange: begins with outboard."));
  EXPECT_THAT(Problems(Broker("  sources: {a: {routing_keys: []}}\n")),
              HasSubstr("bus.sources.a.routing_keys: is an empty list; remove it"));
  EXPECT_THAT(Problems(Broker("  sources: {a: {routing_keys: [b, c*]}}\n")),
              HasSubstr("bus.sources.a.routing_keys[1]: "));
}

TEST(ReadBusTest, SourcesOfOneExchangeAreToAgree) {
  EXPECT_THAT(Problems(Broker("  sources:\n    a: {exchange: x}\n    b: {exchange: x}\n")),
              IsEmpty());
  EXPECT_THAT(Problems(Broker("  sources:\n    a: {exchange: x}\n"
                              "    b: {exchange: x, dialect: {kind: json}}\n")),
              HasSubstr("outboard.yaml:6:8: bus.sources.b: has the exchange x of source a on line "
                        "5, and not the same of the rest; give both the same declare, "
                        "routing_keys and dialect, or keep one of them"));
}

TEST(ReadBusTest, RefusesWhatTheKindDoesNotHave) {
  EXPECT_THAT(Problems("bus: {kind: rabbitmq}"), HasSubstr("bus: kind rabbitmq needs a url"));
  EXPECT_THAT(Problems("bus: {kind: rabbitmq, url: \"amqp://h\", synchronous: full}"),
              HasSubstr("bus.synchronous: is not for kind rabbitmq; remove it"));
  EXPECT_THAT(Problems("bus: {url: \"amqp://h\"}"),
              HasSubstr("bus.url: is not for kind embedded; remove it"));
  EXPECT_THAT(Problems("bus: {kind: rabbitmq, url: mq1}"), HasSubstr("bus.url: is no URL"));
  EXPECT_THAT(Problems("bus: {kind: rabbitmq, url: \"amqps://h\", tls: {cert_file: x}}"),
              HasSubstr("bus.tls: has one of cert_file and key_file"));
  EXPECT_THAT(Problems("bus: {kind: rabbitmq, url: \"amqp://h\", tls: {ca_file: x}}"),
              HasSubstr("bus.tls: nothing is encrypted with amqp://; write amqps:// in bus.url"));
}

TEST(ReadBusTest, WarnsOfABrokerThatIsNotVerified) {
  const ReadResult result = Read("bus: {kind: rabbitmq, url: \"amqps://h\", tls: {verify: false}}");
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_EQ(result.warnings.size(), 1u);
}

}  // namespace
}  // namespace outboard::config
