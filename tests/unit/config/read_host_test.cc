#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ReadHostTest, ReadsEveryKey) {
  const ReadResult result = Read(R"(
host:
  name: tracker
  data: /var/lib/tracker
  http: "[::1]:0"
  admin_socket: run/admin.sock
  drain_timeout: 1m
  shards: 2
  lineage: {rows: 500, age: 3d}
  log: {format: json, level: debug}
)");
  ASSERT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  const Host& host = result.config.host;
  EXPECT_EQ(host.name, "tracker");
  EXPECT_EQ(host.data, "/var/lib/tracker");
  EXPECT_EQ(host.http, "[::1]:0");
  EXPECT_EQ(host.admin_socket, "/srv/app/run/admin.sock");
  EXPECT_EQ(host.drain_timeout, std::chrono::minutes(1));
  EXPECT_EQ(host.shards, 2u);
  EXPECT_EQ(host.lineage.rows, 500u);
  EXPECT_EQ(host.lineage.age, std::chrono::hours(72));
  EXPECT_EQ(host.log_format, LogFormat::kJson);
  EXPECT_EQ(host.log_level, LogLevel::kDebug);
}

TEST(ReadHostTest, LineageMayBeSwitchedOff) {
  EXPECT_TRUE(Read("host: {name: a}").config.host.lineage.on);
  EXPECT_FALSE(Read("host: {lineage: false}").config.host.lineage.on);
  EXPECT_TRUE(Read("host: {lineage: true}").config.host.lineage.on);
  EXPECT_THAT(Problems("host: {lineage: off}"),
              HasSubstr("host.lineage: needs true or false, not \"off\""));
  EXPECT_THAT(Problems("host: {lineage: {rows: 5, age: 0}}"),
              testing::AllOf(HasSubstr("host.lineage.rows"), HasSubstr("host.lineage.age")));
}

TEST(ReadHostTest, TakesAnEmptyAddressForNoHttp) {
  EXPECT_EQ(Read("host: {http: \"\"}").config.host.http, "");
  EXPECT_THAT(Problems("host: {http: 8080}"),
              HasSubstr("host.http: \"8080\" is no address; write host:port"));
}

TEST(ReadHostTest, TakesEventsOverHttpOnLoopbackUnlessTold) {
  const auto takes = [](const std::string& host) {
    return Read("host: {" + host + "}").config.host.ingress;
  };
  EXPECT_TRUE(Read("host: {name: a}").config.host.ingress);
  EXPECT_TRUE(Read("{}").config.host.ingress);
  EXPECT_TRUE(takes("http: 127.0.0.1:0"));
  EXPECT_TRUE(takes("http: localhost:8080"));
  EXPECT_TRUE(takes("http: \"[::1]:8080\""));
  EXPECT_FALSE(takes("http: 0.0.0.0:8080"));
  EXPECT_FALSE(takes("http: tracker:8080"));
  EXPECT_FALSE(takes("http: localhost.example:8080"));
  EXPECT_TRUE(takes("http: 0.0.0.0:8080, ingress: true"));
  EXPECT_FALSE(takes("ingress: false"));
  EXPECT_THAT(Problems("host: {ingress: maybe}"), HasSubstr("host.ingress: "));
}

TEST(ReadHostTest, ReadsWhoMayComeInAndOverWhat) {
  const ReadResult result = Read(R"(
host:
  grpc: 0.0.0.0:7443
  token_file: tokens
  tls: {cert_file: a.pem, key_file: /b.key, client_ca_file: ca.pem}
)");
  ASSERT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  EXPECT_THAT(result.warnings, IsEmpty()) << ToText(result.warnings);
  const Host& host = result.config.host;
  EXPECT_EQ(host.grpc, "0.0.0.0:7443");
  EXPECT_EQ(host.token_file, "/srv/app/tokens");
  ASSERT_TRUE(host.tls);
  EXPECT_EQ(host.tls->cert_file, "/srv/app/a.pem");
  EXPECT_EQ(host.tls->key_file, "/b.key");
  EXPECT_EQ(host.tls->client_ca_file, "/srv/app/ca.pem");
  EXPECT_THAT(Problems("host: {tls: {cert_file: a}}"), HasSubstr("needs cert_file and key_file"));
  EXPECT_THAT(Problems("host: {tls: true}"), HasSubstr("give cert_file: and key_file:, or false"));
}

TEST(ReadHostTest, AGrpcPortNeedsTokensAndBeyondLoopbackTls) {
  EXPECT_THAT(Problems("host: {grpc: 127.0.0.1:0}"), HasSubstr("host.grpc: needs tokens"));
  EXPECT_EQ(Problems("host: {grpc: 127.0.0.1:0, token_file: t}"), "");
  EXPECT_THAT(Problems("host: {grpc: \"0.0.0.0:1\", token_file: t}"),
              HasSubstr("host.grpc: would send tokens and events over the network as they are"));
  EXPECT_EQ(Problems("host: {grpc: \"0.0.0.0:1\", token_file: t, tls: false}"), "");
}

TEST(ReadHostTest, WarnsOfAnHttpPortThatStrangersReach) {
  const auto warnings = [](const std::string& host) {
    return ToText(Read("host: {" + host + "}").warnings);
  };
  EXPECT_EQ(warnings("http: \"127.0.0.1:1\""), "");
  EXPECT_THAT(warnings("http: \"0.0.0.0:1\", ingress: true"),
              HasSubstr("host.http: lets whoever reaches the port publish"));
  EXPECT_THAT(warnings("http: \"0.0.0.0:1\""), HasSubstr("read metrics and readiness"));
  EXPECT_THAT(warnings("http: \"0.0.0.0:1\", token_file: t"),
              HasSubstr("is not encrypted, and not a loopback address"));
  EXPECT_EQ(warnings("http: \"0.0.0.0:1\", token_file: t, tls: {cert_file: a, key_file: b}"), "");
  EXPECT_EQ(warnings("http: \"0.0.0.0:1\", ingress: true, "
                     "tls: {cert_file: a, key_file: b, client_ca_file: c}"),
            "");
  EXPECT_TRUE(Read("host: {http: \"0.0.0.0:1\", token_file: t}").config.host.ingress);
}

TEST(ReadHostTest, RefusesASocketThatNoKernelTakes) {
  EXPECT_THAT(Problems("host: {admin_socket: " + std::string(120, 'x') + "}"),
              HasSubstr("host.admin_socket: the socket's path has 129 bytes"));
}

}  // namespace
}  // namespace outboard::config
