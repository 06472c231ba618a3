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
  EXPECT_EQ(host.log_format, LogFormat::kJson);
  EXPECT_EQ(host.log_level, LogLevel::kDebug);
}

TEST(ReadHostTest, TakesAnEmptyAddressForNoHttp) {
  EXPECT_EQ(Read("host: {http: \"\"}").config.host.http, "");
  EXPECT_THAT(Problems("host: {http: 8080}"),
              HasSubstr("host.http: \"8080\" is no address; write host:port"));
}

TEST(ReadHostTest, RefusesASocketThatNoKernelTakes) {
  EXPECT_THAT(Problems("host: {admin_socket: " + std::string(120, 'x') + "}"),
              HasSubstr("host.admin_socket: the socket's path has 129 bytes"));
}

}  // namespace
}  // namespace outboard::config
