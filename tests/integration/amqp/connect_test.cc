#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "tests/integration/amqp/fixture.h"

namespace outboard::bus::amqp {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// A loopback port that takes connections and says nothing; or, closed, takes none.
class MutePort {
 public:
  MutePort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~MutePort() { close(fd_); }
  MutePort(const MutePort&) = delete;
  MutePort& operator=(const MutePort&) = delete;

  void Listen() { EXPECT_EQ(listen(fd_, 5), 0); }
  // Takes one connection and answers it.
  void Answer(const std::string& text) {
    const int fd = accept(fd_, nullptr, nullptr);
    EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    shutdown(fd, SHUT_WR);
    char byte;
    while (read(fd, &byte, 1) > 0) continue;
    close(fd);
  }
  Endpoint endpoint() const { return {"127.0.0.1", port_}; }
  std::string name() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  const int fd_;
  int port_;
};

class ConnectTest : public AmqpTest {
 protected:
  static absl::Status Failure(const ConnectionOptions& options) {
    return Connection::Connect(options).status();
  }
};

TEST_F(ConnectTest, KnowsTheBroker) {
  const auto connection = Connect();
  EXPECT_THAT(connection->broker_version(), HasSubstr("."));
  EXPECT_EQ(connection->endpoint(), "127.0.0.1:" + std::to_string(tests::Broker::Shared().port()));
  int on = 0;
  socklen_t size = sizeof(on);
  ASSERT_EQ(getsockopt(connection->fd(), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
  EXPECT_NE(on, 0);
}

TEST_F(ConnectTest, TellsTheBrokerItsNameAndWhatItCan) {
  ConnectionOptions options = Options();
  options.name = "outboard lane stories";
  options.heartbeat = 7s;
  const auto connection = Connect(options);
  const std::string listed = tests::Broker::Shared().Ctl(
      "list_connections vhost client_properties timeout frame_max channel_max");
  EXPECT_THAT(listed, AllOf(HasSubstr("outboard lane stories"), HasSubstr("consumer_cancel_notify"),
                            HasSubstr("publisher_confirms"), HasSubstr("connection.blocked"),
                            HasSubstr("basic.nack"), HasSubstr("exchange_exchange_bindings"),
                            HasSubstr("authentication_failure_close"), HasSubstr("\t7\t131072\t")));
}

TEST_F(ConnectTest, ARefusedPortSaysWhatToDo) {
  MutePort closed;
  ConnectionOptions options = Options();
  options.endpoints = {closed.endpoint()};
  const absl::Status status = Failure(options);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(Said(status),
            "RabbitMQ at " + closed.name() +
                ": Connection refused; start the broker, or correct host and port in bus.url");
}

TEST_F(ConnectTest, AnUnknownNameSaysSo) {
  ConnectionOptions options = Options();
  options.endpoints = {{"no-such-host.invalid", 5672}};
  const absl::Status status = Failure(options);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Said(status), AllOf(StartsWith("RabbitMQ at no-such-host.invalid:5672: "),
                                  HasSubstr("name is not known"), HasSubstr("bus.url")));
}

TEST_F(ConnectTest, AMutePortTakesNoLongerThanTheTimeout) {
  MutePort mute;
  mute.Listen();
  ConnectionOptions options = Options();
  options.endpoints = {mute.endpoint()};
  options.timeout = 300ms;
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status = Failure(options);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Said(status), HasSubstr("no answer within 0.3 s"));
}

TEST_F(ConnectTest, APortThatSpeaksSomethingElseSaysSo) {
  MutePort port;
  port.Listen();
  std::thread server([&port] { port.Answer("HTTP/1.1 400 Bad Request\r\n\r\n"); });
  ConnectionOptions options = Options();
  options.endpoints = {port.endpoint()};
  const absl::Status status = Failure(options);
  server.join();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Said(status), HasSubstr("no AMQP 0-9-1"));
}

TEST_F(ConnectTest, APortThatClosesAtOnceSaysSo) {
  MutePort port;
  port.Listen();
  std::thread server([&port] { port.Answer(""); });
  ConnectionOptions options = Options();
  options.endpoints = {port.endpoint()};
  const absl::Status status = Failure(options);
  server.join();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Said(status), HasSubstr("closed the connection before the login"));
}

TEST_F(ConnectTest, TriesAllEndpointsFromTheGivenOneOn) {
  MutePort closed, also_closed;
  ConnectionOptions options = Options();
  const Endpoint good = options.endpoints.front();
  options.endpoints = {closed.endpoint(), good};
  for (size_t first = 0; first < 4; ++first) {
    const auto connection = Connection::Connect(options, first);
    ASSERT_TRUE(connection.ok()) << connection.status();
    EXPECT_THAT((*connection)->endpoint(), HasSubstr(std::to_string(good.port)));
  }
  options.endpoints = {closed.endpoint(), also_closed.endpoint()};
  EXPECT_THAT(Said(Failure(options)),
              AllOf(HasSubstr(closed.name()), HasSubstr(also_closed.name())));
}

TEST_F(ConnectTest, AWrongPasswordIsNoPermission) {
  ConnectionOptions options = Options();
  options.password = "s3cret";
  const absl::Status status = Failure(options);
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(Said(status),
              AllOf(StartsWith("RabbitMQ at 127.0.0.1:"), HasSubstr("the login of user \"guest\""),
                    HasSubstr("ACCESS_REFUSED"), HasSubstr("bus.url"), Not(HasSubstr("s3cret"))));
}

TEST_F(ConnectTest, AMissingVhostIsNoPermission) {
  ConnectionOptions options = Options();
  options.vhost = "nowhere";
  const absl::Status status = Failure(options);
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(Said(status), AllOf(HasSubstr("has no vhost \"nowhere\""), HasSubstr("(530)"),
                                  HasSubstr("rabbitmqctl add_vhost nowhere")));
}

TEST_F(ConnectTest, AVhostOfOthersIsNoPermission) {
  const std::string user = "stranger_to_" + vhost_;
  tests::Broker::Shared().Ctl("add_user " + user + " pw");
  ConnectionOptions options = Options();
  options.user = user;
  options.password = "pw";
  const absl::Status status = Failure(options);
  tests::Broker::Shared().Ctl("delete_user " + user);
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(Said(status), AllOf(HasSubstr("does not let user \"" + user + "\" into vhost"),
                                  HasSubstr("rabbitmqctl set_permissions -p " + vhost_)));
}

TEST_F(ConnectTest, TlsToAPlainPortSaysSo) {
  ConnectionOptions options = Options();
  options.tls.on = true;
  const absl::Status status = Failure(options);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(Said(status), AllOf(HasSubstr("does not speak TLS"), HasSubstr("5671")));
}

TEST_F(ConnectTest, TlsFilesThatCannotBeUsedAreNamed) {
  ConnectionOptions options = Options();
  options.tls.on = true;
  options.tls.ca_file = "/nowhere/ca.pem";
  EXPECT_TRUE(absl::IsInvalidArgument(Failure(options)));
  EXPECT_THAT(Said(Failure(options)), HasSubstr("the CA file /nowhere/ca.pem"));
  options.tls.ca_file.clear();
  options.tls.cert_file = "/nowhere/cert.pem";
  EXPECT_TRUE(absl::IsInvalidArgument(Failure(options)));
  EXPECT_THAT(Said(Failure(options)), HasSubstr("needs both"));
  options.tls.key_file = "/nowhere/key.pem";
  EXPECT_TRUE(absl::IsInvalidArgument(Failure(options)));
  EXPECT_THAT(Said(Failure(options)),
              AllOf(HasSubstr("/nowhere/cert.pem"), HasSubstr("/nowhere/key.pem")));
}

}  // namespace
}  // namespace outboard::bus::amqp
