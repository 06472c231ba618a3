#include "host/dialect/dialect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/dialect/media_type.h"
#include "tests/unit/dialect/messages.h"
#include "tests/unit/event/wire_text.h"

namespace outboard::dialect {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace wire = wire_text;

constexpr char kJsonEvent[] =
    R"({"specversion":"1.0","id":"1","source":"tracker","type":"story.created","data":{"a":1}})";

Message Of(absl::string_view content_type, std::string body) {
  Message message = WithBody("tracker", "story.created", std::move(body));
  message.properties.content_type = std::string(content_type);
  return message;
}

Event Checked(const std::string& bytes) {
  const auto event = CheckEvent(bytes);
  EXPECT_TRUE(event.ok()) << event.status();
  return *event;
}

DialectOptions Writing(CloudEventsForm form) { return {.form = form}; }

Message EncodedAs(const std::string& bytes, const DialectOptions& options) {
  const auto message = Encode(Checked(bytes), options);
  EXPECT_TRUE(message.ok()) << message.status();
  return message.value_or(Message());
}

std::string OptionsProblem(const DialectOptions& options) {
  return std::string(CheckOptions(options).message());
}

TEST(DialectDecodeTest, ReadsBinaryModeByDefault) {
  Message message = WithHeaders(CoreHeaders());
  message.body = "hello";
  const auto event = Decode(message, {});
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->id(), "1");
  EXPECT_EQ(DataOf(*event), "hello");
}

TEST(DialectDecodeTest, ReadsStructuredJson) {
  for (const char* type :
       {"application/cloudevents+json", "application/cloudevents+json; charset=UTF-8"}) {
    const auto event = Decode(Of(type, kJsonEvent), {});
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(event->type(), "story.created");
    EXPECT_EQ(DataOf(*event), R"({"a":1})");
  }
  EXPECT_THAT(ProblemOf(Decode(Of(kStructuredJsonType, "{"), {})), HasSubstr("at column 2"));
}

TEST(DialectDecodeTest, StructuredJsonTakesTheTraceFromTheHeaders) {
  Message message = Of(kStructuredJsonType, kJsonEvent);
  message.properties.headers = {{"traceparent", Field::Text("00-a-b-01")}};
  EXPECT_EQ(Decode(message, {})->attribute("traceparent"), "00-a-b-01");
  message.body.insert(1, R"("traceparent":"own",)");
  EXPECT_EQ(Decode(message, {})->attribute("traceparent"), "own");
}

TEST(DialectDecodeTest, ProtobufFormIsTheEventsBytes) {
  const std::string bytes = wire::Core() + wire::Binary("hello");
  const auto event = Decode(Of(kProtobufType, bytes), {});
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->bytes(), bytes);
  EXPECT_THAT(ProblemOf(Decode(Of(kProtobufType, "nonsense"), {})), HasSubstr("byte"));
}

TEST(DialectDecodeTest, RefusesFormsThatItDoesNotRead) {
  EXPECT_THAT(
      ProblemOf(Decode(Of("application/cloudevents-batch+json", "[]"), {})),
      AllOf(HasSubstr("content_type"), HasSubstr("batch"), HasSubstr("one event a message")));
}

TEST(DialectDecodeTest, KeepsTheLimitInEveryForm) {
  Message binary = WithHeaders(CoreHeaders());
  binary.body = std::string(100, 'x');
  const EventLimits limits = {.max_bytes = 50};
  for (const Message& message :
       {binary, Of(kStructuredJsonType, kJsonEvent),
        Of(kProtobufType, wire::Core() + wire::Binary(std::string(100, 'x')))}) {
    EXPECT_EQ(Decode(message, {}, limits).status().code(), absl::StatusCode::kResourceExhausted);
  }
}

TEST(DialectEncodeTest, EveryMessageIsAddressedAndPersistent) {
  for (const DialectOptions& options :
       {Writing(CloudEventsForm::kBinary), Writing(CloudEventsForm::kStructuredJson),
        Writing(CloudEventsForm::kProtobuf), DialectOptions{.kind = Kind::kJson},
        DialectOptions{.kind = Kind::kRaw}}) {
    const Message message = EncodedAs(wire::Core(), options);
    EXPECT_EQ(message.exchange, "");
    EXPECT_EQ(message.routing_key, "story.created");
    EXPECT_EQ(message.properties.delivery_mode, 2);
    EXPECT_EQ(message.properties.message_id, "1");
  }
}

TEST(DialectEncodeTest, WritesTheFormThatIsAskedFor) {
  const std::string bytes =
      wire::Core() + wire::StringAttribute("datacontenttype", "text/plain") + wire::Binary("hello");
  const Message binary = EncodedAs(bytes, {.prefix = "cloudEvents_"});
  EXPECT_EQ(binary.properties.content_type, "text/plain");
  EXPECT_EQ(*binary.properties.header("cloudEvents_source"), Field::Text("tracker"));
  EXPECT_EQ(binary.body, "hello");
  const Message json = EncodedAs(bytes, Writing(CloudEventsForm::kStructuredJson));
  EXPECT_EQ(json.properties.content_type, kStructuredJsonType);
  EXPECT_EQ(json.body, R"({"specversion":"1.0","id":"1","source":"tracker","type":"story.created",)"
                       R"("datacontenttype":"text/plain","data":"hello"})");
  const Message protobuf = EncodedAs(bytes, Writing(CloudEventsForm::kProtobuf));
  EXPECT_EQ(protobuf.properties.content_type, kProtobufType);
  EXPECT_TRUE(protobuf.properties.headers.empty());
  EXPECT_EQ(protobuf.body, bytes);
}

TEST(DialectEncodeTest, WhatHeadersOrTextCannotCarryGoesAsProtobuf) {
  const std::string proto_data = wire::Core() + wire::Bytes(8, wire::Bytes(1, "x/y.Z"));
  const std::string text_time = wire::Core() + wire::StringAttribute("time", "yesterday");
  const std::string long_text =
      wire::Core() + wire::StringAttribute("x", std::string(kMaxHeaderText + 1, 'x'));
  const std::string nested =
      wire::Core() + wire::StringAttribute("datacontenttype", std::string(kStructuredJsonType)) +
      wire::Binary(kJsonEvent);
  for (const std::string& bytes : {proto_data, text_time, long_text, nested}) {
    const Message message = EncodedAs(bytes, Writing(CloudEventsForm::kBinary));
    EXPECT_EQ(message.properties.content_type, kProtobufType);
    EXPECT_TRUE(message.properties.headers.empty());
    EXPECT_EQ(Decode(message, {})->bytes(), Checked(bytes).bytes());
  }
  for (const std::string& bytes : {proto_data, text_time}) {
    const Message message = EncodedAs(bytes, Writing(CloudEventsForm::kStructuredJson));
    EXPECT_EQ(message.properties.content_type, kProtobufType);
    EXPECT_EQ(Decode(message, {})->bytes(), Checked(bytes).bytes());
  }
  for (const Kind kind : {Kind::kJson, Kind::kRaw}) {
    for (const std::string& bytes : {proto_data, text_time, long_text}) {
      EXPECT_THAT(ProblemOf(Encode(Checked(bytes), {.kind = kind})), HasSubstr("cloudevents"));
    }
  }
}

TEST(DialectEncodeTest, JsonAndRawSendTheBareDataWithTheAttributesInHeaders) {
  const std::string bytes =
      wire::Core() + wire::StringAttribute("subject", "s") + wire::Binary(R"({"a":1})");
  const Message json = EncodedAs(bytes, {.kind = Kind::kJson});
  EXPECT_EQ(json.body, R"({"a":1})");
  EXPECT_EQ(json.properties.content_type, "application/json");
  EXPECT_EQ(*json.properties.header("cloudEvents:subject"), Field::Text("s"));
  const Message raw = EncodedAs(bytes, {.kind = Kind::kRaw});
  EXPECT_EQ(raw.body, R"({"a":1})");
  EXPECT_EQ(raw.properties.content_type, std::nullopt);
  EXPECT_THAT(ProblemOf(Encode(Checked(wire::Core() + wire::Binary("{")), {.kind = Kind::kJson})),
              AllOf(HasSubstr("data"), HasSubstr("JSON"), HasSubstr("raw")));
}

TEST(DialectEncodeTest, ATypeIsARoutingKey) {
  const auto of_size = [](size_t size) {
    return Encode(Checked(wire::Id("1") + wire::Source("s") + wire::Type(std::string(size, 't'))),
                  {});
  };
  EXPECT_TRUE(of_size(255).ok());
  EXPECT_EQ(of_size(256).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ProblemOf(of_size(256)), AllOf(HasSubstr("type"), HasSubstr("256")));
}

TEST(DialectEncodeTest, AnIdAbove255BytesIsNoMessageId) {
  const std::string id(256, 'i');
  const Message message = EncodedAs(wire::Id(id) + wire::Source("s") + wire::Type("t"), {});
  EXPECT_EQ(message.properties.message_id, std::nullopt);
  EXPECT_EQ(Decode(message, {})->id(), id);
}

TEST(DialectOptionsTest, TheDefaultsAreGood) {
  EXPECT_EQ(OptionsProblem({}), "");
  EXPECT_EQ(OptionsProblem({.prefix = "ce-"}), "");
  EXPECT_EQ(Mapping().id, (Places{Place::At(Place::From::kMessageId)}));
}

TEST(DialectOptionsTest, NamesWhatIsWrong) {
  EXPECT_THAT(OptionsProblem({.prefix = "x-"}), HasSubstr("prefix"));
  EXPECT_THAT(OptionsProblem({.mapping = {.subject = {Place::Body({"a/b"})}}}),
              AllOf(HasSubstr("subject"), HasSubstr("\"a/b\" is no JSON Pointer")));
  EXPECT_THAT(OptionsProblem({.mapping = {.id = {Place::Body({"/a", "/~"})}}}), HasSubstr("id"));
  EXPECT_THAT(OptionsProblem({.mapping = {.time = {Place::Body({})}}}), HasSubstr("time"));
  EXPECT_THAT(OptionsProblem({.mapping = {.type = {Place::Header("")}}}), HasSubstr("type"));
  EXPECT_THAT(OptionsProblem({.mapping = {.source = {Place::Fixed("")}}}), HasSubstr("source"));
  EXPECT_THAT(OptionsProblem({.mapping = {.source = {}}}), HasSubstr("\"source\": has no place"));
  EXPECT_THAT(OptionsProblem({.mapping = {.type = {}}}), HasSubstr("\"type\": has no place"));
  for (const char* name : {"", "Bad", "a_b", "data", "specversion"}) {
    EXPECT_THAT(OptionsProblem({.mapping = {.more = {{name, {Place::Fixed("x")}}}}}),
                HasSubstr("is no name of an attribute"))
        << name;
  }
  EXPECT_THAT(OptionsProblem(
                  {.mapping = {.more = {{"a", {Place::Fixed("x")}}, {"a", {Place::Fixed("y")}}}}}),
              HasSubstr("twice"));
  EXPECT_THAT(OptionsProblem({.mapping = {.more = {{"id", {Place::Fixed("x")}}}}}),
              HasSubstr("\"id\": is mapped twice"));
}

}  // namespace
}  // namespace outboard::dialect
