// The gate's verbs, between two plain sockets.

#include "tests/broker/gate.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "host/base/status.h"

namespace outboard::tests {
namespace {

using std::chrono::milliseconds;
using testing::Ge;
using testing::Optional;

constexpr int kPatienceMs = 20000;
// For what must not come.
constexpr int kShortMs = 200;

// One end of a connection.
class Wire {
 public:
  explicit Wire(int fd) : fd_(fd) {}
  Wire(Wire&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Wire() { Close(); }

  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  bool Send(const std::string& bytes) {
    return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  // As many bytes as fit without waiting, at most `size`.
  size_t Fill(size_t size) {
    const std::string bytes(64 << 10, 'f');
    size_t sent = 0;
    while (sent < size) {
      const ssize_t got = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (got <= 0) break;
      sent += static_cast<size_t>(got);
    }
    return sent;
  }
  void EndSending() { shutdown(fd_, SHUT_WR); }
  // That many bytes; fewer if the connection ends before; none if they do not come.
  std::optional<std::string> Read(size_t size, int patience_ms = kPatienceMs) {
    std::string bytes;
    while (bytes.size() < size) {
      if (!Readable(patience_ms)) return std::nullopt;
      char chunk[65536];
      const ssize_t got = recv(fd_, chunk, std::min(sizeof chunk, size - bytes.size()), 0);
      if (got <= 0) break;
      bytes.append(chunk, static_cast<size_t>(got));
    }
    return bytes;
  }
  bool Readable(int patience_ms) const {
    pollfd watched{fd_, POLLIN, 0};
    return poll(&watched, 1, patience_ms) > 0;
  }
  // True if the other side ended it, and nothing was left to be read.
  bool Ended(int patience_ms = kPatienceMs) {
    char byte;
    return Readable(patience_ms) && recv(fd_, &byte, 1, 0) <= 0;
  }

 private:
  int fd_;
};

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// 0, or the errno of a failed connect().
int Dial(int port, int* fd) {
  *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in to = Loopback(port);
  if (connect(*fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return 0;
  const int error = errno;
  close(*fd);
  return error;
}

class GateTest : public testing::Test {
 protected:
  GateTest() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof address;
    OUTBOARD_CHECK(bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    OUTBOARD_CHECK(listen(listener_, 16) == 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    gate_ = std::make_unique<TcpGate>(ntohs(address.sin_port));
  }
  ~GateTest() override { StopBroker(); }

  void StopBroker() {
    if (listener_ >= 0) close(std::exchange(listener_, -1));
  }

  // A new connection's two ends: the host's and the broker's.
  std::pair<Wire, Wire> Connect() {
    int host = -1;
    OUTBOARD_CHECK(Dial(gate_->port(), &host) == 0);
    const int broker = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    OUTBOARD_CHECK(broker >= 0);
    return {Wire(host), Wire(broker)};
  }

  int listener_;
  std::unique_ptr<TcpGate> gate_;
};

TEST_F(GateTest, PassesBytesBothWaysAndCountsThem) {
  auto [host, broker] = Connect();
  auto [other_host, other_broker] = Connect();
  ASSERT_TRUE(host.Send("to the broker"));
  ASSERT_TRUE(other_broker.Send("to the other"));
  EXPECT_THAT(broker.Read(13), Optional(std::string("to the broker")));
  EXPECT_THAT(other_host.Read(12), Optional(std::string("to the other")));
  EXPECT_EQ(gate_->connections(), 2);
  EXPECT_EQ(gate_->open(), 2);
  EXPECT_EQ(gate_->bytes(Direction::kToBroker), 13u);
  EXPECT_EQ(gate_->bytes(Direction::kToHost), 12u);
}

TEST_F(GateTest, PassesTheEndOfOneWayAlone) {
  auto [host, broker] = Connect();
  ASSERT_TRUE(host.Send("last"));
  host.EndSending();
  EXPECT_THAT(broker.Read(5), Optional(std::string("last")));
  ASSERT_TRUE(broker.Send("answer"));
  EXPECT_THAT(host.Read(6), Optional(std::string("answer")));
  broker.Close();
  EXPECT_TRUE(host.Ended());
}

TEST_F(GateTest, EndsTheHostsConnectionWhereNoBrokerListens) {
  StopBroker();
  int host = -1;
  ASSERT_EQ(Dial(gate_->port(), &host), 0);
  EXPECT_TRUE(Wire(host).Ended());
}

TEST_F(GateTest, StopHoldsBytesAndEndsAndLosesNothing) {
  auto [host, broker] = Connect();
  gate_->Stop();
  constexpr size_t kALot = 64 << 20;
  const size_t sent = host.Fill(kALot);
  EXPECT_LT(sent, kALot) << "it takes all there is: no back-pressure";
  host.EndSending();
  EXPECT_FALSE(broker.Readable(kShortMs));
  EXPECT_EQ(gate_->bytes(Direction::kToBroker), 0u);
  gate_->Pass();
  EXPECT_TRUE(broker.Read(sent) == std::string(sent, 'f'));
  EXPECT_TRUE(broker.Ended());
}

TEST_F(GateTest, StopHoldsNewConnectionsToo) {
  gate_->Stop();
  auto [host, broker] = Connect();
  ASSERT_TRUE(host.Send("x"));
  EXPECT_FALSE(broker.Readable(kShortMs));
  gate_->Pass();
  EXPECT_THAT(broker.Read(1), Optional(std::string("x")));
}

TEST_F(GateTest, DelaysEachWayAndKeepsTheOrder) {
  auto [host, broker] = Connect();
  gate_->Delay(milliseconds(150));
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(host.Send("ping"));
  ASSERT_THAT(broker.Read(4), Optional(std::string("ping")));
  EXPECT_THAT(std::chrono::steady_clock::now() - start, Ge(milliseconds(150)));
  ASSERT_TRUE(broker.Send("pong"));
  ASSERT_THAT(host.Read(4), Optional(std::string("pong")));
  EXPECT_THAT(std::chrono::steady_clock::now() - start, Ge(milliseconds(300)));

  ASSERT_TRUE(host.Send("slow"));
  std::this_thread::sleep_for(milliseconds(50));  // the gate has it, for 100 ms more
  gate_->Delay(milliseconds(0));
  ASSERT_TRUE(host.Send("fast"));
  EXPECT_THAT(broker.Read(8), Optional(std::string("slowfast")));
}

TEST_F(GateTest, CutsAllConnectionsOnBothSides) {
  auto [host, broker] = Connect();
  auto [other_host, other_broker] = Connect();
  gate_->CutAll();
  EXPECT_TRUE(host.Ended());
  EXPECT_TRUE(broker.Ended());
  EXPECT_TRUE(other_host.Ended());
  EXPECT_TRUE(other_broker.Ended());
  EXPECT_EQ(gate_->open(), 0);
  auto [next_host, next_broker] = Connect();
  ASSERT_TRUE(next_host.Send("on"));
  EXPECT_THAT(next_broker.Read(2), Optional(std::string("on")));
}

TEST_F(GateTest, CutsAfterSoManyBytesOfOneWay) {
  auto [host, broker] = Connect();
  gate_->CutAfter(Direction::kToHost, 10);
  ASSERT_TRUE(host.Send("not counted: the other way"));
  ASSERT_TRUE(broker.Read(26).has_value());
  ASSERT_TRUE(broker.Send("123456"));
  EXPECT_THAT(host.Read(6), Optional(std::string("123456")));
  ASSERT_TRUE(broker.Send("7890abc"));
  EXPECT_THAT(host.Read(7), Optional(std::string("7890")));
  EXPECT_TRUE(broker.Ended());
  // Once.
  auto [next_host, next_broker] = Connect();
  ASSERT_TRUE(next_broker.Send("0123456789abc"));
  EXPECT_THAT(next_host.Read(13), Optional(std::string("0123456789abc")));
}

TEST_F(GateTest, CountsTheBytesToACutOverAllConnections) {
  auto [host, broker] = Connect();
  auto [other_host, other_broker] = Connect();
  gate_->CutAfter(Direction::kToBroker, 8);
  ASSERT_TRUE(host.Send("12345"));
  ASSERT_THAT(broker.Read(5), Optional(std::string("12345")));
  ASSERT_TRUE(other_host.Send("678"));
  EXPECT_THAT(other_broker.Read(4), Optional(std::string("678")));
  EXPECT_TRUE(host.Ended());
}

TEST_F(GateTest, SwallowsWhatTheHostSaysWhenHalfOpen) {
  auto [host, broker] = Connect();
  gate_->HalfOpen();
  ASSERT_TRUE(host.Send("lost"));
  ASSERT_TRUE(broker.Send("unheard"));
  EXPECT_FALSE(broker.Readable(kShortMs));
  EXPECT_FALSE(host.Readable(kShortMs));
  broker.Close();
  EXPECT_FALSE(host.Readable(kShortMs)) << "the host sees that the broker is gone";
  constexpr size_t kALot = 64 << 20;  // more than all buffers hold
  for (size_t sent = 0; sent < kALot;) {
    const size_t more = host.Fill(kALot - sent);
    if (more == 0) std::this_thread::sleep_for(milliseconds(1));
    sent += more;
  }
  // A stream with a hole would be worse than none.
  gate_->Pass();
  EXPECT_TRUE(host.Ended());
}

TEST_F(GateTest, ConnectionsThatLostNothingOutliveHalfOpen) {
  auto [host, broker] = Connect();
  gate_->HalfOpen();
  ASSERT_TRUE(broker.Send("waits"));
  EXPECT_FALSE(host.Readable(kShortMs));
  gate_->Pass();
  EXPECT_THAT(host.Read(5), Optional(std::string("waits")));
  ASSERT_TRUE(host.Send("goes"));
  EXPECT_THAT(broker.Read(4), Optional(std::string("goes")));
}

TEST_F(GateTest, RefusesNewConnectionsAndKeepsTheOld) {
  auto [host, broker] = Connect();
  gate_->Refuse(true);
  int refused = -1;
  EXPECT_EQ(Dial(gate_->port(), &refused), ECONNREFUSED);
  ASSERT_TRUE(host.Send("still"));
  EXPECT_THAT(broker.Read(5), Optional(std::string("still")));
  gate_->Refuse(false);
  Connect();
  EXPECT_EQ(gate_->connections(), 2);
  gate_->Refuse(true);
  gate_->Pass();
  Connect();
}

}  // namespace
}  // namespace outboard::tests
