#include "host/dialect/header_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/dialect/dialect.h"
#include "tests/unit/dialect/messages.h"
#include "tests/unit/event/wire_text.h"

namespace outboard::dialect {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
namespace wire = wire_text;

Event EventWith(const std::string& fields) {
  const auto event = CheckEvent(wire::Core() + fields);
  EXPECT_TRUE(event.ok()) << event.status();
  return *event;
}

Message Written(const std::string& fields, absl::string_view prefix = "ce-") {
  Message message;
  const absl::Status status = WriteHeaders(EventWith(fields), prefix, &message);
  EXPECT_TRUE(status.ok()) << status;
  return message;
}

std::string ProblemWriting(const Event& event) {
  Message message;
  const absl::Status status = WriteHeaders(event, "ce-", &message);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

// A string attribute of any size.
std::string LongAttribute(const std::string& name, size_t size) {
  return wire::StringAttribute(name, std::string(size, 'x'));
}

TEST(HeaderWriterTest, WritesAttributesInTheirTypes) {
  const Message message = Written(wire::Join(
      {wire::StringAttribute("s", "text"), wire::Attribute("n", wire::Small(2, 5)),
       wire::Attribute("b", wire::Small(1, 1)), wire::Attribute("x", wire::Bytes(4, "\xFF")),
       wire::Attribute("u", wire::Bytes(5, "urn:x")),
       wire::Attribute("t", wire::Bytes(7, wire::Small(1, 1))),
       wire::Attribute("f", wire::Bytes(7, wire::Small(1, 1) + wire::Small(2, 2)))}));
  EXPECT_THAT(
      message.properties.headers,
      ElementsAre(Pair("ce-specversion", Field::Text("1.0")), Pair("ce-id", Field::Text("1")),
                  Pair("ce-source", Field::Text("tracker")),
                  Pair("ce-type", Field::Text("story.created")), Pair("ce-s", Field::Text("text")),
                  Pair("ce-n", Typed('I', 5)), Pair("ce-b", Field::Bool(true)),
                  Pair("ce-x", ByteField("\xFF")), Pair("ce-u", Field::Text("urn:x")),
                  Pair("ce-t", Typed('T', 1)),
                  Pair("ce-f", Field::Text("1970-01-01T00:00:01.000000002Z"))));
}

TEST(HeaderWriterTest, WritesTimeAsTextAndAsTheTimestamp) {
  Message message = Written(wire::Attribute("time", wire::Bytes(7, wire::Small(1, 5))));
  EXPECT_EQ(message.properties.headers.back(),
            (std::pair<std::string, Field>("ce-time", Field::Text("1970-01-01T00:00:05Z"))));
  EXPECT_EQ(message.properties.timestamp, 5u);
  // 1969: before AMQP's first second.
  const std::string before = "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01";
  message = Written(wire::Attribute("time", wire::Bytes(7, before)) +
                    wire::Attribute("x", wire::Bytes(7, before)));
  EXPECT_EQ(message.properties.timestamp, std::nullopt);
  EXPECT_EQ(message.properties.headers.back(),
            (std::pair<std::string, Field>("ce-x", Field::Text("1969-12-31T23:59:59Z"))));
}

TEST(HeaderWriterTest, DataIsTheBodyAndItsMediaTypeTheContentType) {
  const Message message =
      Written(wire::StringAttribute("datacontenttype", "text/plain") + wire::Binary("hello"));
  EXPECT_EQ(message.properties.content_type, "text/plain");
  EXPECT_EQ(message.body, "hello");
  EXPECT_EQ(message.properties.headers.size(), 4u);
  EXPECT_EQ(Written("").properties.content_type, std::nullopt);
}

TEST(HeaderWriterTest, WritesTheTraceUnderItsBareNamesToo) {
  const Message message = Written(wire::StringAttribute("traceparent", "00-a-b-01") +
                                      wire::Attribute("tracestate", wire::Small(2, 5)),
                                  "cloudEvents:");
  EXPECT_EQ(*message.properties.header("traceparent"), Field::Text("00-a-b-01"));
  EXPECT_EQ(*message.properties.header("cloudEvents:traceparent"), Field::Text("00-a-b-01"));
  EXPECT_EQ(message.properties.header("tracestate"), nullptr);
  EXPECT_EQ(*message.properties.header("cloudEvents:tracestate"), Typed('I', 5));
}

TEST(HeaderWriterTest, RefusesWhatHeadersDoNotHold) {
  EXPECT_EQ(Written(LongAttribute("x", kMaxHeaderText)).properties.headers.size(), 5u);
  EXPECT_THAT(ProblemWriting(EventWith(LongAttribute("x", kMaxHeaderText + 1))),
              AllOf(HasSubstr("\"x\""), HasSubstr("8193 bytes"), HasSubstr("protobuf")));
  EXPECT_THAT(ProblemWriting(EventWith(LongAttribute("x", 8000) + LongAttribute("y", 8000))),
              AllOf(HasSubstr("attributes"), HasSubstr("12288")));
  EXPECT_THAT(ProblemWriting(EventWith(LongAttribute("datacontenttype", 256))),
              AllOf(HasSubstr("datacontenttype"), HasSubstr("255")));
  EXPECT_THAT(ProblemWriting(EventWith(wire::StringAttribute("time", "yesterday"))),
              HasSubstr("\"time\""));
}

}  // namespace
}  // namespace outboard::dialect
