#include "host/dialect/event_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/dialect/messages.h"
#include "tests/unit/event/wire_text.h"

namespace outboard::dialect {
namespace {

using ::testing::HasSubstr;
namespace wire = wire_text;

Value BytesValue(absl::string_view bytes) { return {Value::Kind::kBytes, 0, {}, bytes}; }

// The event of the required attributes and one more.
absl::StatusOr<Event> BuildWith(absl::string_view name, const Value& value) {
  EventBuilder builder(0);
  builder.SetText("id", "1");
  builder.SetText("source", "tracker");
  builder.SetText("specversion", "1.0");
  builder.SetText("type", "story.created");
  if (const char* problem = builder.Set(name, value)) return absl::InvalidArgumentError(problem);
  return builder.Finish({});
}

std::string BytesWith(absl::string_view name, const Value& value) {
  const auto event = BuildWith(name, value);
  return event.ok() ? std::string(event->bytes()) : std::string(event.status().message());
}

std::string With(const std::string& name, const std::string& value) {
  return wire::Core() + wire::Attribute(name, value);
}

TEST(EventBuilderTest, WritesWhatProtobufWouldWrite) {
  EventBuilder builder(0);
  builder.SetText("id", "1");
  builder.SetText("source", "tracker");
  builder.SetText("specversion", "1.0");
  builder.SetText("type", "story.created");
  builder.SetData(absl::string_view("\0x", 2));
  EXPECT_EQ(builder.Finish({})->bytes(), wire::Core() + wire::Binary(std::string("\0x", 2)));
}

TEST(EventBuilderTest, ExtensionsKeepTheirTypes) {
  EXPECT_EQ(BytesWith("x", Value::Text("a")), With("x", wire::Bytes(3, "a")));
  EXPECT_EQ(BytesWith("x", BytesValue("\xFF")), With("x", wire::Bytes(4, "\xFF")));
  EXPECT_EQ(BytesWith("x", Value::Integer(5)), With("x", wire::Small(2, 5)));
  EXPECT_EQ(BytesWith("x", {Value::Kind::kBoolean, 1, {}, {}}), With("x", wire::Small(1, 1)));
  EXPECT_EQ(BytesWith("x", Value::Time({1, 2})),
            With("x", wire::Bytes(7, wire::Small(1, 1) + wire::Small(2, 2))));
  EXPECT_EQ(BuildWith("x", Value::Integer(-5))->attribute("x"), "-5");
}

TEST(EventBuilderTest, OwnAttributesAreText) {
  EXPECT_EQ(BytesWith("subject", Value::Integer(5)), With("subject", wire::Bytes(3, "5")));
  EXPECT_EQ(BytesWith("subject", BytesValue("a")), With("subject", wire::Bytes(3, "a")));
  EXPECT_EQ(BytesWith("dataschema", Value::Text("urn:x")),
            With("dataschema", wire::Bytes(5, "urn:x")));
}

TEST(EventBuilderTest, TimeIsATimestamp) {
  const std::string one = With("time", wire::Bytes(7, wire::Small(1, 1)));
  EXPECT_EQ(BytesWith("time", Value::Text("1970-01-01T01:00:01+01:00")), one);
  EXPECT_EQ(BytesWith("time", BytesValue("1970-01-01T00:00:01Z")), one);
  EXPECT_EQ(BytesWith("time", Value::Time({.seconds = 1})), one);
  EXPECT_THAT(BytesWith("time", Value::Text("yesterday")), HasSubstr("RFC 3339"));
  EXPECT_THAT(BytesWith("time", Value::Integer(1)), HasSubstr("RFC 3339"));
}

TEST(EventBuilderTest, SaysWhatNoAttributeCanHold) {
  EXPECT_THAT(BytesWith("x", {Value::Kind::kCompound, 0, {}, {}}), HasSubstr("array or object"));
  EXPECT_THAT(BytesWith("x", Value::Integer(int64_t{1} << 31)), HasSubstr("32 bits"));
  EXPECT_THAT(BytesWith("x", Value::Time({.seconds = int64_t{1} << 40})), HasSubstr("9999"));
  EXPECT_THAT(BytesWith("subject", Value::Time({.seconds = int64_t{1} << 40})), HasSubstr("9999"));
}

}  // namespace
}  // namespace outboard::dialect
