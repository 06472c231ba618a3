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

TEST(ReadBusTest, ReadsWhatABrokerNeeds) {
  const ReadResult result = Read(R"(
host: {replica: r1}
bus:
  kind: rabbitmq
  url: amqps://u:pass@mq1,mq2/vhost
  queue_type: classic
  declare: passive
  exchanges: {storyboard: events}
  prefetch: 50
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
  EXPECT_EQ(rabbitmq.exchanges.at("storyboard"), "events");
  EXPECT_EQ(rabbitmq.prefetch, 50u);
  EXPECT_EQ(rabbitmq.heartbeat, std::chrono::seconds(5));
  EXPECT_EQ(rabbitmq.tls.ca_file, "/srv/app/ca.pem");
  EXPECT_EQ(rabbitmq.tls.server_name, "mq");
  EXPECT_EQ(rabbitmq.form, "protobuf");
}

TEST(ReadBusTest, RefusesWhatTheKindDoesNotHave) {
  EXPECT_THAT(Problems("bus: {kind: rabbitmq}"), HasSubstr("bus: kind rabbitmq needs a url"));
  EXPECT_THAT(Problems("bus: {kind: rabbitmq, url: \"amqp://h\", synchronous: full}"),
              HasSubstr("bus.synchronous: is not for kind rabbitmq; remove it"));
  EXPECT_THAT(Problems("bus: {url: \"amqp://h\"}"),
              HasSubstr("bus.url: is not for kind embedded; remove it"));
  EXPECT_THAT(Problems("bus: {kind: rabbitmq, url: mq1}"), HasSubstr("bus.url: is no URL"));
  EXPECT_THAT(Problems("bus: {kind: rabbitmq, url: \"amqp://h\", tls: {cert_file: x}}"),
              HasSubstr("bus.tls: has one of cert_file and key_file"));
}

TEST(ReadBusTest, WarnsOfABrokerThatIsNotVerified) {
  const ReadResult result = Read("bus: {kind: rabbitmq, url: \"amqps://h\", tls: {verify: false}}");
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_EQ(result.warnings.size(), 1u);
}

}  // namespace
}  // namespace outboard::config
