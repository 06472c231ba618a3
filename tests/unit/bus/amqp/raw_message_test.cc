#include "host/bus/amqp/raw_message.h"

#include <amqp.h>
#include <amqp_framing.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

#include "host/bus/amqp/library.h"
#include "host/bus/amqp/table.h"

namespace outboard::bus::amqp {
namespace {

using dialect::Field;
using dialect::FieldView;
using dialect::Message;
using dialect::MessageView;

Field Typed(char type, int64_t number) {
  Field field;
  field.type = type;
  field.number = number;
  return field;
}

// Every property, and a header of every type.
Message Full() {
  Message message;
  message.exchange = "exchange";
  message.routing_key = "a.routing.key";
  message.body = std::string("body\0of bytes", 13);
  dialect::Properties& p = message.properties;
  p.content_type = "text/plain";
  p.content_encoding = "utf-8";
  p.correlation_id = "correlation";
  p.reply_to = "reply";
  p.expiration = "60000";
  p.message_id = "id";
  p.type = "type";
  p.user_id = "guest";
  p.app_id = std::string(255, 'a');
  p.delivery_mode = 2;
  p.priority = 3;
  p.timestamp = 1'700'000'000;
  Field bytes = Field::Text("bytes");
  bytes.type = 'x';
  Field real = Typed('d', 0);
  real.real = 1.5;
  Field single = Typed('f', 0);
  single.real = -0.25;
  Field decimal = Typed('D', 314);
  decimal.decimals = 2;
  Field array = Typed('A', 0);
  array.items = {Field::Text("in"), Field::Number(5)};
  Field table = Typed('F', 0);
  table.members = {{"inner", Field::Text("x")}, {"deeper", array}};
  p.headers = {{"text", Field::Text("a text of more than a few letters")},
               {"empty", Field::Text("")},
               {"bytes", bytes},
               {"void", Field()},
               {"true", Field::Bool(true)},
               {"b", Typed('b', -5)},
               {"B", Typed('B', 200)},
               {"s", Typed('s', -30'000)},
               {"u", Typed('u', 60'000)},
               {"I", Typed('I', std::numeric_limits<int32_t>::min())},
               {"i", Typed('i', 4'000'000'000)},
               {"l", Field::Number(std::numeric_limits<int64_t>::min())},
               {"T", Typed('T', 1'700'000'000)},
               {"real", real},
               {"single", single},
               {"decimal", decimal},
               {"array", array},
               {"table", table},
               {"last", Field::Text("seen")}};
  return message;
}

std::string Encoded(const dialect::Properties& properties) {
  amqp_pool_t pool;
  init_amqp_pool(&pool, 4096);
  amqp_basic_properties_t out;
  EXPECT_EQ(TableWriter(&pool).Write(properties, &out), absl::OkStatus());
  std::string bytes(64 << 10, '\0');
  const int size = amqp_encode_properties(AMQP_BASIC_CLASS, &out, Bytes(bytes));
  EXPECT_GT(size, 0);
  bytes.resize(static_cast<size_t>(size));
  empty_amqp_pool(&pool);
  return bytes;
}

RawMessage Raw(const Message& message) {
  RawMessage raw(message.exchange, message.routing_key, 0);
  raw.SetProperties(Encoded(message.properties), message.body.size());
  // As frames bring it.
  raw.AppendBody(absl::string_view(message.body).substr(0, 3));
  raw.AppendBody(absl::string_view(message.body).substr(std::min<size_t>(3, message.body.size())));
  return raw;
}

void ExpectSame(const MessageView& a, const MessageView& b) {
  EXPECT_EQ(a.exchange, b.exchange);
  EXPECT_EQ(a.routing_key, b.routing_key);
  EXPECT_EQ(a.body, b.body);
  EXPECT_EQ(a.properties.content_type, b.properties.content_type);
  EXPECT_EQ(a.properties.content_encoding, b.properties.content_encoding);
  EXPECT_EQ(a.properties.correlation_id, b.properties.correlation_id);
  EXPECT_EQ(a.properties.reply_to, b.properties.reply_to);
  EXPECT_EQ(a.properties.message_id, b.properties.message_id);
  EXPECT_EQ(a.properties.type, b.properties.type);
  EXPECT_EQ(a.properties.user_id, b.properties.user_id);
  EXPECT_EQ(a.properties.app_id, b.properties.app_id);
  EXPECT_EQ(a.properties.timestamp, b.properties.timestamp);
  ASSERT_EQ(a.properties.headers.size(), b.properties.headers.size());
  for (size_t i = 0; i < a.properties.headers.size(); ++i) {
    const auto& [name, field] = a.properties.headers[i];
    const auto& [other_name, other] = b.properties.headers[i];
    EXPECT_EQ(name, other_name);
    EXPECT_EQ(field.type, other.type) << name;
    EXPECT_EQ(field.number, other.number) << name;
    EXPECT_EQ(field.decimals, other.decimals) << name;
    EXPECT_EQ(field.real, other.real) << name;
    EXPECT_EQ(field.text, other.text) << name;
  }
}

TEST(RawMessageTest, ACopyIsTheMessageThatWasSent) { EXPECT_EQ(Raw(Full()).Copy(), Full()); }

TEST(RawMessageTest, AViewShowsTheSameAsACopy) {
  const Message full = Full();
  const RawMessage raw = Raw(full);
  ExpectSame(raw.View(), full);
}

TEST(RawMessageTest, NothingIsThereThatWasNotSent) {
  const RawMessage raw = Raw(Message());
  EXPECT_EQ(raw.Copy(), Message());
  ExpectSame(raw.View(), Message());
}

TEST(RawMessageTest, IsReadAfterItMoved) {
  RawMessage raw = Raw(Full());
  const RawMessage moved = std::move(raw);
  EXPECT_EQ(moved.Copy(), Full());
  EXPECT_EQ(moved.View().properties.header("last")->text, "seen");
}

TEST(ReadPropertiesInPlaceTest, OfBytesThatEndTooSoonNothingIsInvented) {
  const Message full = Full();
  const std::string bytes = Encoded(full.properties);
  const MessageView whole(full);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);  // Its own memory: sanitizers see its end.
    const dialect::PropertiesView view = ReadPropertiesInPlace(cut);
    EXPECT_LE(view.headers.size(), whole.properties.headers.size());
    for (size_t i = 0; i < view.headers.size(); ++i) {
      EXPECT_EQ(view.headers[i].first, whole.properties.headers[i].first);
      EXPECT_EQ(view.headers[i].second.text, whole.properties.headers[i].second.text);
    }
    EXPECT_EQ(view.message_id.value_or("id"), "id");
  }
}

TEST(ReadPropertiesInPlaceTest, AnyBytesAreReadWithinTheirBounds) {
  std::minstd_rand random(1);
  const std::string good = Encoded(Full().properties);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (int k = 0; k < 4; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
    const dialect::PropertiesView view = ReadPropertiesInPlace(bytes);
    for (const auto& [name, field] : view.headers) {
      const char* const end = field.text.data() + field.text.size();
      EXPECT_TRUE(field.text.empty() ||
                  (field.text.data() >= bytes.data() && end <= bytes.data() + bytes.size()));
    }
  }
}

}  // namespace
}  // namespace outboard::bus::amqp
