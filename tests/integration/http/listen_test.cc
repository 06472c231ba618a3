#include "host/http/listen.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "host/http/server.h"
#include "tests/integration/http/client.h"
#include "tests/unit/metrics/sample_snapshot.h"

namespace outboard::http {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

TEST(ListenTest, PortZeroIsAnyFreeOne) {
  absl::StatusOr<Listening> one = Listen("127.0.0.1:0");
  absl::StatusOr<Listening> two = Listen("localhost:0");
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_THAT(one->address, MatchesRegex("127\\.0\\.0\\.1:[0-9]+"));
  EXPECT_NE(one->address, two->address);
  EXPECT_NE(one->address, "127.0.0.1:0");
  close(one->fd);
  close(two->fd);
}

TEST(ListenTest, PluginsDoNotInheritTheSocket) {
  absl::StatusOr<Listening> listening = Listen("127.0.0.1:0");
  ASSERT_TRUE(listening.ok()) << listening.status();
  EXPECT_TRUE(fcntl(listening->fd, F_GETFD) & FD_CLOEXEC);
  close(listening->fd);
}

TEST(ListenTest, ATakenPortNamesThePortAndTheFix) {
  absl::StatusOr<Listening> first = Listen("127.0.0.1:0");
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string port = first->address.substr(first->address.find(':') + 1);
  const absl::Status second =
      Server::Start({first->address, [] { return admin::SampleSnapshot(); }}).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.message()),
              AllOf(HasSubstr("port " + port + " at 127.0.0.1 is taken"), HasSubstr("host.http")));
  close(first->fd);
}

TEST(ListenTest, ThePortIsFreeAfterTheServer) {
  std::string address = "127.0.0.1:0";
  for (int i = 0; i < 3; ++i) {
    auto server = Server::Start({address, [] { return admin::SampleSnapshot(); }});
    ASSERT_TRUE(server.ok()) << server.status();
    address = (*server)->address();
    const int port = std::stoi(address.substr(address.find(':') + 1));
    EXPECT_THAT(Get(port, "/healthz"), StartsWith("HTTP/1.1 200 "));
  }
}

TEST(ListenTest, ServesIpv6) {
  absl::StatusOr<Listening> listening = Listen("[::1]:0");
  if (!listening.ok()) GTEST_SKIP() << "this machine has no ::1: " << listening.status();
  EXPECT_THAT(listening->address, MatchesRegex("\\[::1\\]:[0-9]+"));
  close(listening->fd);
}

TEST(ListenTest, WhatIsNoAddressSaysHowToWriteOne) {
  for (const char* text : {"", "8080", ":8080", "127.0.0.1:", "[::1]", "[]:1", "[::1:80"}) {
    const absl::Status status = Listen(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("127.0.0.1:8080"));
  }
  EXPECT_FALSE(Listen("127.0.0.1:http-or-so").ok());
}

TEST(ListenTest, AnAddressOfAnotherMachineIsRefused) {
  const absl::Status status = Listen("192.0.2.1:0").status();  // For documentation only.
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("192.0.2.1 is not an address of this machine"), HasSubstr("host.http")));
}

}  // namespace
}  // namespace outboard::http
