#include "tests/integration/amqp/fixture.h"

namespace outboard::bus::amqp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A connection with a confirming channel 9, and durable queues.
class ConsumeTest : public AmqpTest {
 protected:
  ConsumeTest() : c_(Connect()) {
    EXPECT_EQ(c_->OpenChannel(9), absl::OkStatus());
    EXPECT_EQ(c_->SelectConfirms(9), absl::OkStatus());
    Declare("q");
  }
  void Declare(const std::string& name) { EXPECT_TRUE(c_->DeclareQueue(9, Queue(name)).ok()); }
  // Bodies 0 to n-1.
  void Fill(const std::string& queue, int n) {
    for (int i = 0; i < n; ++i) PublishConfirmed(*c_, 9, ToQueue(queue, std::to_string(i)));
  }
  void Consume(Channel channel, const std::string& queue, uint16_t prefetch) {
    ASSERT_EQ(c_->OpenChannel(channel), absl::OkStatus());
    ASSERT_EQ(c_->SetPrefetch(channel, prefetch), absl::OkStatus());
    ASSERT_EQ(c_->Consume(channel, queue, "consumer of " + queue), absl::OkStatus());
  }
  std::vector<std::string> Bodies(int n) {
    std::vector<std::string> bodies;
    for (int i = 0; i < n; ++i) bodies.emplace_back(NextOf<Delivered>(*c_).message.body());
    return bodies;
  }

  const std::unique_ptr<Connection> c_;
};

TEST_F(ConsumeTest, DeliversInOrderUpToThePrefetch) {
  Fill("q", 5);
  Consume(1, "q", 2);
  const auto first = NextOf<Delivered>(*c_);
  EXPECT_EQ(first.channel, 1);
  EXPECT_EQ(first.tag, 1u);
  EXPECT_FALSE(first.redelivered);
  EXPECT_EQ(first.message.Copy(), ToQueue("q", "0"));
  EXPECT_THAT(Bodies(1), ElementsAre("1"));
  EXPECT_TRUE(Nothing(*c_));
  ASSERT_EQ(c_->Ack(1, 2, /*multiple=*/true), absl::OkStatus());
  EXPECT_THAT(Bodies(2), ElementsAre("2", "3"));
  EXPECT_TRUE(Nothing(*c_));
  ASSERT_EQ(c_->Ack(1, 4, /*multiple=*/false), absl::OkStatus());
  EXPECT_THAT(Bodies(1), ElementsAre("4"));
}

TEST_F(ConsumeTest, AClosedChannelsDeliveriesComeAgainInOrder) {
  Fill("q", 5);
  Consume(1, "q", 10);
  Bodies(5);
  ASSERT_EQ(c_->Ack(1, 1, false), absl::OkStatus());
  ASSERT_EQ(c_->CloseChannel(1), absl::OkStatus());
  Consume(1, "q", 10);
  for (const char* body : {"1", "2", "3", "4"}) {
    const auto again = NextOf<Delivered>(*c_);
    EXPECT_TRUE(again.redelivered);
    EXPECT_EQ(again.message.body(), body);
  }
  EXPECT_TRUE(Nothing(*c_));
}

TEST_F(ConsumeTest, WhatWasNotReadBeforeAChannelClosedIsNeverHandedOut) {
  Fill("q", 50);
  for (int i = 0; i < 20; ++i) {
    Consume(1, "q", 100);
    // Deliveries are kept while this waits for its answer.
    ASSERT_TRUE(c_->CheckQueue(1, "q").ok());
    ASSERT_EQ(c_->CloseChannel(1), absl::OkStatus());
    ASSERT_TRUE(Nothing(*c_, 1ms));
  }
  Consume(1, "q", 100);
  EXPECT_EQ(NextOf<Delivered>(*c_).tag, 1u);
}

TEST_F(ConsumeTest, NothingIsLostWhileACallWaits) {
  Fill("q", 20);
  Consume(1, "q", 100);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(c_->CheckQueue(9, "q").ok());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(NextOf<Delivered>(*c_).message.body(), std::to_string(i));
}

TEST_F(ConsumeTest, TwoChannelsAreKeptApart) {
  Declare("r");
  Consume(1, "q", 100);
  Consume(2, "r", 100);
  for (int i = 0; i < 100; ++i) {
    const std::string body(i * 5000, static_cast<char>('a' + i % 26));
    ASSERT_EQ(c_->Publish(9, ToQueue("q", "q" + body), true), absl::OkStatus());
    ASSERT_EQ(c_->Publish(9, ToQueue("r", "r" + body), true), absl::OkStatus());
  }
  int got[3] = {};
  while (got[1] < 100 || got[2] < 100) {
    const auto next = Next(*c_);
    ASSERT_TRUE(next.has_value());
    const auto* delivered = std::get_if<Delivered>(&*next);
    if (delivered == nullptr) continue;
    const int i = got[delivered->channel]++;
    const char* const queue = delivered->channel == 1 ? "q" : "r";
    EXPECT_EQ(delivered->message.routing_key(), queue);
    EXPECT_EQ(delivered->tag, static_cast<uint64_t>(i + 1));
    ASSERT_TRUE(delivered->message.body() ==
                queue + std::string(i * 5000, static_cast<char>('a' + i % 26)));
    ASSERT_EQ(c_->Ack(delivered->channel, delivered->tag, false), absl::OkStatus());
  }
}

TEST_F(ConsumeTest, ADeletedQueueCancelsItsConsumer) {
  Consume(1, "q", 10);
  ASSERT_TRUE(c_->DeleteQueue(9, "q").ok());
  const auto cancelled = NextOf<Cancelled>(*c_);
  EXPECT_EQ(cancelled.channel, 1);
  EXPECT_EQ(cancelled.consumer, "consumer of q");
  Declare("q");
  EXPECT_EQ(c_->Consume(1, "q", "another"), absl::OkStatus());
}

TEST_F(ConsumeTest, OnlyTheChannelOfABadAckIsClosed) {
  Declare("r");
  Fill("r", 2);
  Consume(1, "q", 10);
  Consume(2, "r", 10);
  ASSERT_EQ(c_->Ack(1, 77, false), absl::OkStatus());
  bool closed = false;
  for (int i = 0; i < 3; ++i) {
    const auto next = Next(*c_);
    ASSERT_TRUE(next.has_value());
    const auto* end = std::get_if<ChannelClosed>(&*next);
    if (end == nullptr) continue;
    closed = true;
    EXPECT_EQ(end->channel, 1);
    EXPECT_EQ(end->code, 406);
    EXPECT_THAT(end->text, HasSubstr("unknown delivery tag 77"));
  }
  EXPECT_TRUE(closed);
  ASSERT_EQ(c_->Ack(2, 2, true), absl::OkStatus());
  EXPECT_TRUE(absl::IsFailedPrecondition(c_->Ack(1, 1, false)));
  PublishConfirmed(*c_, 9, ToQueue("r", "more"));
  EXPECT_THAT(Bodies(1), ElementsAre("more"));
  Consume(1, "q", 10);
  Fill("q", 1);
  EXPECT_THAT(Bodies(1), ElementsAre("0"));
}

TEST_F(ConsumeTest, AcksSentLastArriveBeforeTheGoodbye) {
  Fill("q", 200);
  {
    const auto other = Connect();
    ASSERT_EQ(other->OpenChannel(1), absl::OkStatus());
    ASSERT_EQ(other->Consume(1, "q", "me"), absl::OkStatus());
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(other->Ack(1, NextOf<Delivered>(*other).tag, false), absl::OkStatus());
    }
  }
  const auto left = c_->CheckQueue(9, "q");
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(left->ready, 0u);
}

}  // namespace
}  // namespace outboard::bus::amqp
