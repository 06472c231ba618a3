#include <fstream>
#include <thread>

#include "tests/broker/gate.h"
#include "tests/integration/amqp/fixture.h"

namespace outboard::bus::amqp {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class LifeTest : public AmqpTest {
 protected:
  ConnectionOptions Beating(Duration heartbeat) const {
    ConnectionOptions options = Options();
    options.heartbeat = heartbeat;
    return options;
  }
};

TEST_F(LifeTest, ReadWaitsAsLongAsItIsTold) {
  const auto c = Connect();
  for (const Duration wait : {Duration(0), Duration(300us), Duration(50ms), Duration(1200ms)}) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(Nothing(*c, wait));
    const auto took = std::chrono::steady_clock::now() - start;
    EXPECT_GE(took, wait);
    EXPECT_LT(took, wait + 100ms);
  }
}

TEST_F(LifeTest, ReadingKeepsTheHeartbeat) {
  const auto c = Connect(Beating(1s));
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < 4s) ASSERT_TRUE(Nothing(*c, 100ms));
  EXPECT_EQ(c->OpenChannel(1), absl::OkStatus());
}

TEST_F(LifeTest, OneLongReadKeepsTheHeartbeat) {
  const auto c = Connect(Beating(1s));
  ASSERT_TRUE(Nothing(*c, 4s));
  EXPECT_EQ(c->OpenChannel(1), absl::OkStatus());
}

TEST_F(LifeTest, ASilentBrokerIsDeadAfterTwoHeartbeats) {
  tests::TcpGate gate(tests::Broker::Shared().port());
  ConnectionOptions options = Beating(1s);
  options.endpoints = {{"127.0.0.1", gate.port()}};
  const auto c = Connect(options);
  ASSERT_TRUE(Nothing(*c, 1500ms));
  gate.HalfOpen();
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status = ReadToEnd(*c, 10s);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 3500ms);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Said(status), AllOf(StartsWith("RabbitMQ at 127.0.0.1:"),
                                  HasSubstr("nothing came from the broker for two heartbeats")));
  EXPECT_EQ(c->OpenChannel(1), status);
  EXPECT_EQ(c->Read(Duration(0)).status(), status);
}

TEST_F(LifeTest, ACallToASilentBrokerEndsWithTheTimeout) {
  tests::TcpGate gate(tests::Broker::Shared().port());
  ConnectionOptions options = Options();
  options.endpoints = {{"127.0.0.1", gate.port()}};
  options.timeout = 500ms;
  const auto c = Connect(options);
  gate.HalfOpen();
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status = c->OpenChannel(1);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Said(status), HasSubstr("no answer within 0.5 s to: opening channel 1"));
  EXPECT_TRUE(absl::IsUnavailable(c->Read(Duration(0)).status()));
}

TEST_F(LifeTest, ACutConnectionSaysSo) {
  tests::TcpGate gate(tests::Broker::Shared().port());
  ConnectionOptions options = Options();
  options.endpoints = {{"127.0.0.1", gate.port()}};
  const auto c = Connect(options);
  ASSERT_EQ(c->OpenChannel(1), absl::OkStatus());
  gate.CutAll();
  const absl::Status status = ReadToEnd(*c, kSoon);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Said(status), HasSubstr("the connection was cut"));
  EXPECT_EQ(c->Ack(1, 1, false), status);
}

TEST_F(LifeTest, TheBrokersReasonForClosingIsTold) {
  const auto c = ConnectWith(1);
  tests::Broker::Shared().Ctl("close_all_connections -p " + vhost_ + " 'time for lunch'");
  const absl::Status status = ReadToEnd(*c, kSoon);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Said(status),
              AllOf(StartsWith("RabbitMQ at " + c->endpoint()), HasSubstr("CONNECTION_FORCED"),
                    HasSubstr("time for lunch"), HasSubstr("(320)")));
}

TEST_F(LifeTest, SendsAfterTheBrokersCloseDoNotHideItsReason) {
  const auto c = ConnectWith(1);
  tests::Broker::Shared().Ctl("close_all_connections -p " + vhost_ + " 'time for lunch'");
  for (int i = 0; i < 20; ++i) {
    if (!c->Publish(1, ToQueue("nowhere", "x"), false).ok()) break;
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_THAT(Said(ReadToEnd(*c, kSoon)), HasSubstr("time for lunch"));
}

TEST_F(LifeTest, WhatCameBeforeTheEndIsHandedOut) {
  const auto c = ConnectWith(1);
  ASSERT_TRUE(c->DeclareQueue(1, Queue("q")).ok());
  ASSERT_EQ(c->SelectConfirms(1), absl::OkStatus());
  ASSERT_EQ(c->Publish(1, ToQueue("q", "x"), true), absl::OkStatus());
  std::this_thread::sleep_for(500ms);
  tests::Broker::Shared().Ctl("close_all_connections -p " + vhost_ + " bye");
  EXPECT_TRUE(absl::IsUnavailable(c->CloseChannel(1)));
  EXPECT_EQ(NextOf<Confirmed>(*c).tag, 1u);
  EXPECT_TRUE(absl::IsUnavailable(c->Read(Duration(0)).status()));
}

TEST_F(LifeTest, AnAlarmBlocksPublishersUntilItIsOver) {
  const auto c = ConnectWith(1);
  ASSERT_TRUE(c->DeclareQueue(1, Queue("q")).ok());
  ASSERT_EQ(c->SelectConfirms(1), absl::OkStatus());
  tests::Broker::Shared().SetMemoryAlarm(true);
  uint64_t sent = 0, confirmed = 0;
  std::optional<Blocked> blocked;
  // The broker's connections hear of the alarm one after the other.
  while (!blocked.has_value() && sent < 100) {
    ASSERT_EQ(c->Publish(1, ToQueue("q", "x"), true), absl::OkStatus());
    ++sent;
    while (const auto next = Next(*c, 100ms)) {
      if (const auto* b = std::get_if<Blocked>(&*next)) blocked = *b;
      if (const auto* f = std::get_if<Confirmed>(&*next)) confirmed = f->tag;
    }
  }
  ASSERT_TRUE(blocked.has_value());
  EXPECT_THAT(blocked->reason, HasSubstr("memory"));
  EXPECT_EQ(confirmed, sent - 1);
  EXPECT_TRUE(Nothing(*c));
  tests::Broker::Shared().SetMemoryAlarm(false);
  NextOf<Unblocked>(*c);
  EXPECT_EQ(NextOf<Confirmed>(*c).tag, sent);
}

TEST_F(LifeTest, ABlockedBrokerDoesNotHoldPublishersForGood) {
  ConnectionOptions options = Options();
  options.timeout = 500ms;
  const auto c = Connect(options);
  ASSERT_EQ(c->OpenChannel(1), absl::OkStatus());
  ASSERT_EQ(c->SelectConfirms(1), absl::OkStatus());
  tests::Broker::Shared().SetMemoryAlarm(true);
  const dialect::Message message = ToQueue("nowhere", std::string(20'000, 'x'));
  uint64_t sent = 0;
  absl::Status status;
  while (sent < 10'000 && (status = c->Publish(1, message, false)).ok()) ++sent;
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(Said(status), HasSubstr("takes no messages for now"));
  tests::Broker::Shared().SetMemoryAlarm(false);
  uint64_t confirmed = 0;
  while (confirmed < sent) {
    const auto next = Next(*c);
    ASSERT_TRUE(next.has_value());
    const auto* confirm = std::get_if<Confirmed>(&*next);
    if (confirm != nullptr) confirmed = std::max(confirmed, confirm->tag);
  }
  EXPECT_EQ(confirmed, sent);
  EXPECT_EQ(c->Publish(1, message, false), absl::OkStatus());
}

// Of this process, in kB.
int64_t ResidentKb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") {
      int64_t kb = 0;
      status >> kb;
      return kb;
    }
  }
  return -1;
}

TEST_F(LifeTest, MemoryStaysFlatOver200000Deliveries) {
  const auto c = ConnectWith(1), p = ConnectWith(1);
  QueueSpec queue = Queue("q");
  queue.durable = false;
  ASSERT_TRUE(c->DeclareQueue(1, queue).ok());
  ASSERT_EQ(c->SetPrefetch(1, 1000), absl::OkStatus());
  ASSERT_EQ(c->Consume(1, "q", "me"), absl::OkStatus());
  dialect::Message message = ToQueue("q", std::string(256, 'x'));
  message.properties.headers = {{"a", dialect::Field::Text("text")},
                                {"n", dialect::Field::Number(5)}};
  constexpr int kAll = 200'000, kWarm = 20'000, kRound = 1000;
  int64_t before = 0;
  for (int got = 0; got < kAll;) {
    for (int i = 0; i < kRound; ++i) ASSERT_EQ(p->Publish(1, message, false), absl::OkStatus());
    // A call, so that deliveries are kept too.
    ASSERT_TRUE(c->CheckQueue(1, "q").ok());
    for (int i = 0; i < kRound; ++i, ++got) {
      const auto next = c->Read(kSoon);
      ASSERT_TRUE(next.ok() && next->has_value() && std::holds_alternative<Delivered>(**next));
      if (i % 100 == 99) {
        ASSERT_EQ(c->Ack(1, std::get<Delivered>(**next).tag, true), absl::OkStatus());
      }
    }
    ASSERT_TRUE(p->Read(Duration(0)).ok());
    if (got == kWarm) before = ResidentKb();
  }
  EXPECT_LT(ResidentKb() - before, 20 * 1024);
}

}  // namespace
}  // namespace outboard::bus::amqp
