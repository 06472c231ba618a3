#include <limits>

#include "tests/integration/amqp/fixture.h"

namespace outboard::bus::amqp {
namespace {

using dialect::Field;
using dialect::Message;
using dialect::Table;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A connection with a confirming channel 1 and queue "q".
class PublishTest : public AmqpTest {
 protected:
  PublishTest() : c_(ConnectWith(1)) {
    EXPECT_TRUE(c_->DeclareQueue(1, Queue("q")).ok());
    EXPECT_EQ(c_->SelectConfirms(1), absl::OkStatus());
  }

  // Sends it through the queue and says how it came out.
  Message RoundTrip(const Message& message) {
    if (!std::exchange(consuming_, true)) {
      EXPECT_EQ(c_->Consume(1, "q", "me"), absl::OkStatus());
    }
    EXPECT_EQ(Publish(message), absl::OkStatus());
    std::optional<Delivered> delivered;
    bool confirmed = false;
    while (!delivered.has_value() || !confirmed) {  // In either order.
      std::optional<Incoming> next = Next(*c_);
      if (!next.has_value()) break;
      if (std::holds_alternative<Confirmed>(*next)) confirmed = true;
      if (auto* d = std::get_if<Delivered>(&*next)) delivered = std::move(*d);
    }
    EXPECT_TRUE(confirmed);
    if (!delivered.has_value()) {
      ADD_FAILURE() << "it did not come back";
      return {};
    }
    EXPECT_EQ(c_->Ack(1, delivered->tag, false), absl::OkStatus());
    return delivered->message.Copy();
  }
  absl::Status Publish(const Message& message) { return c_->Publish(1, message, true); }

  const std::unique_ptr<Connection> c_;

 private:
  bool consuming_ = false;
};

Field Integer(char type, int64_t number) {
  Field field;
  field.type = type;
  field.number = number;
  return field;
}

Field Real(char type, double real) {
  Field field;
  field.type = type;
  field.real = real;
  return field;
}

template <typename T>
std::pair<int64_t, int64_t> Range() {
  return {std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};
}

Table AllTypes() {
  Table table;
  const std::pair<char, std::pair<int64_t, int64_t>> integers[] = {{'t', {0, 1}},
                                                                   {'b', Range<int8_t>()},
                                                                   {'B', Range<uint8_t>()},
                                                                   {'s', Range<int16_t>()},
                                                                   {'u', Range<uint16_t>()},
                                                                   {'I', Range<int32_t>()},
                                                                   {'i', Range<uint32_t>()},
                                                                   {'l', Range<int64_t>()},
                                                                   {'T', {0, 253402300799}}};
  for (const auto& [type, range] : integers) {
    table.emplace_back(std::string("least ") + type, Integer(type, range.first));
    table.emplace_back(std::string("most ") + type, Integer(type, range.second));
  }
  table.emplace_back("f", Real('f', 1.5));
  table.emplace_back("d", Real('d', -1e300));
  Field decimal = Integer('D', 314159);
  decimal.decimals = 5;
  table.emplace_back("D", decimal);
  table.emplace_back("S", Field::Text(std::string("te\0xt é", 8)));
  table.emplace_back("empty S", Field::Text(""));
  Field bytes = Field::Text(std::string("\xff\0\x01", 3));
  bytes.type = 'x';
  table.emplace_back("x", bytes);
  table.emplace_back("V", Field());
  table.emplace_back("twice", Integer('I', 1));
  table.emplace_back("twice", Integer('I', 2));
  return table;
}

TEST_F(PublishTest, EveryTypeOfFieldComesBackEqual) {
  Message message = ToQueue("q", "body");
  message.properties.headers = AllTypes();
  Field members, items, empty_items, empty_members;
  members.type = empty_members.type = 'F';
  members.members = AllTypes();
  items.type = empty_items.type = 'A';
  for (const auto& [name, field] : AllTypes()) items.items.push_back(field);
  items.items.push_back(members);
  message.properties.headers.emplace_back("F", members);
  message.properties.headers.emplace_back("A", items);
  message.properties.headers.emplace_back("empty F", empty_members);
  message.properties.headers.emplace_back("empty A", empty_items);
  EXPECT_EQ(RoundTrip(message), message);
}

TEST_F(PublishTest, EveryPropertyComesBackEqual) {
  Message message = ToQueue("q", "body");
  EXPECT_EQ(RoundTrip(message), message);
  auto& p = message.properties;
  p.content_type = "application/json";
  p.content_encoding = "utf-8";
  p.correlation_id = std::string(255, 'c');
  p.reply_to = "reply";
  p.expiration = "60000";
  p.message_id = "id-1";
  p.type = "story.created";
  p.user_id = "guest";
  p.app_id = "";
  p.delivery_mode = 2;
  p.priority = 5;
  p.timestamp = 1'700'000'000;
  EXPECT_EQ(RoundTrip(message), message);
}

TEST_F(PublishTest, BodiesOfAllSizesComeBackEqual) {
  for (const size_t size : {0ul, 1ul, 131063ul, 131064ul, 131065ul, 1ul << 20, (1ul << 22) + 3}) {
    Message message = ToQueue("q", std::string(size, 'x'));
    for (size_t i = 0; i < size; ++i) message.body[i] = static_cast<char>(i * 31 >> 3);
    EXPECT_TRUE(RoundTrip(message) == message) << size;
  }
}

TEST_F(PublishTest, AnEmptyBodyIsSentAtOnce) {
  RoundTrip(ToQueue("q", ""));
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) RoundTrip(ToQueue("q", ""));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 1s);
}

TEST_F(PublishTest, ConfirmsCountFromOneOnEachChannel) {
  ASSERT_EQ(c_->OpenChannel(2), absl::OkStatus());
  ASSERT_EQ(c_->SelectConfirms(2), absl::OkStatus());
  for (const Channel channel : {1, 2}) {
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(c_->Publish(channel, ToQueue("q", "x"), true), absl::OkStatus());
    }
  }
  uint64_t confirmed[3] = {};
  while (confirmed[1] < 100 || confirmed[2] < 100) {
    const auto next = NextOf<Confirmed>(*c_);
    ASSERT_TRUE(next.channel == 1 || next.channel == 2);
    EXPECT_TRUE(next.accepted);
    confirmed[next.channel] = std::max(confirmed[next.channel], next.tag);
  }
  EXPECT_EQ(confirmed[1], 100u);
  EXPECT_EQ(confirmed[2], 100u);
}

TEST_F(PublishTest, WhatNoQueueTakesReturnsBeforeItsConfirm) {
  Message message = ToQueue("nowhere", "come back");
  message.properties.headers = AllTypes();
  ASSERT_EQ(Publish(message), absl::OkStatus());
  const auto returned = NextOf<Returned>(*c_);
  EXPECT_EQ(returned.channel, 1);
  EXPECT_EQ(returned.code, 312);
  EXPECT_EQ(returned.text, "NO_ROUTE");
  EXPECT_EQ(returned.message.Copy(), message);
  const auto confirmed = NextOf<Confirmed>(*c_);
  EXPECT_EQ(confirmed.tag, 1u);
  EXPECT_TRUE(confirmed.accepted);
  // Not mandatory: gone.
  ASSERT_EQ(c_->Publish(1, message, false), absl::OkStatus());
  EXPECT_EQ(NextOf<Confirmed>(*c_).tag, 2u);
}

TEST_F(PublishTest, AFullQueueIsANack) {
  QueueSpec full = Queue("full");
  full.arguments = {{"x-max-length", Field::Number(1)},
                    {"x-overflow", Field::Text("reject-publish")}};
  ASSERT_TRUE(c_->DeclareQueue(1, full).ok());
  PublishConfirmed(*c_, 1, ToQueue("full", "1"));
  ASSERT_EQ(Publish(ToQueue("full", "2")), absl::OkStatus());
  const auto confirmed = NextOf<Confirmed>(*c_);
  EXPECT_EQ(confirmed.tag, 2u);
  EXPECT_FALSE(confirmed.accepted);
}

TEST_F(PublishTest, AMissingExchangeClosesTheChannel) {
  Message message = ToQueue("q", "x");
  message.exchange = "nowhere";
  ASSERT_EQ(Publish(message), absl::OkStatus());
  const auto closed = NextOf<ChannelClosed>(*c_);
  EXPECT_EQ(closed.channel, 1);
  EXPECT_EQ(closed.code, 404);
  EXPECT_THAT(closed.text, HasSubstr("nowhere"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Publish(message)));
  ASSERT_EQ(c_->OpenChannel(1), absl::OkStatus());
  ASSERT_EQ(c_->SelectConfirms(1), absl::OkStatus());
  PublishConfirmed(*c_, 1, ToQueue("q", "x"));
}

TEST_F(PublishTest, WhatDoesNotFitTheWireIsRefusedAndTheChannelGoesOn) {
  const auto refused = [this](const Message& message, const std::string& why) {
    const absl::Status status = Publish(message);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(Said(status), AllOf(HasSubstr("the message to exchange"), HasSubstr(why)));
  };
  Message good = ToQueue("q", "x"), bad = good;
  bad.routing_key = std::string(256, 'k');
  refused(bad, "its routing key has 256 bytes");
  bad = good;
  bad.exchange = std::string(300, 'e');
  refused(bad, "its exchange has 300 bytes");
  bad = good;
  bad.properties.message_id = std::string(256, 'i');
  refused(bad, "its message-id has 256 bytes");
  bad = good;
  bad.properties.headers = {{std::string(256, 'n'), Field::Number(1)}};
  refused(bad, "its name has more than 255 bytes");
  bad.properties.headers = {{"n", Integer('b', 128)}};
  refused(bad, "128 does not fit its type 'b'");
  bad.properties.headers = {{"n", Integer('?', 1)}};
  refused(bad, "is none of RabbitMQ's");
  Field deep = Field::Number(1);
  for (int i = 0; i < 100; ++i) {
    Field outer;
    outer.type = 'A';
    outer.items = {deep};
    deep = outer;
  }
  bad.properties.headers = {{"n", deep}};
  refused(bad, "nested too deeply");
  PublishConfirmed(*c_, 1, good);
}

// One byte more is refused here; the most that we send is taken by the broker.
TEST_F(PublishTest, HeadersFillAFrameAtMost) {
  Message message = ToQueue("q", "x");
  const auto with = [&message](size_t size) {
    message.properties.headers = {{"h", Field::Text(std::string(size, 'h'))}};
    return message;
  };
  const size_t most = 131072 - 64 - 14 - 4 - 2 - 1 - 4;
  EXPECT_EQ(RoundTrip(with(most)), with(most));
  const absl::Status status = Publish(with(most + 1));
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(Said(status), AllOf(HasSubstr("take 131009 bytes"), HasSubstr("131008 at most")));
  EXPECT_EQ(RoundTrip(with(10)), with(10));
}

TEST_F(PublishTest, ZeroBytesInKeysAndPropertiesTravel) {
  ASSERT_EQ(c_->DeclareExchange(1, "all", "fanout", false), absl::OkStatus());
  ASSERT_EQ(c_->BindQueue(1, "q", "all", ""), absl::OkStatus());
  Message message = ToQueue(std::string("a\0b", 3), "x");
  message.exchange = "all";
  message.properties.correlation_id = std::string("c\0d", 3);
  EXPECT_EQ(RoundTrip(message), message);
}

}  // namespace
}  // namespace outboard::bus::amqp
