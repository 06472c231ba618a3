#include "host/dialect/mapped.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/dialect/identity.h"
#include "tests/unit/dialect/messages.h"

namespace outboard::dialect {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

DialectOptions JsonOptions(Mapping mapping = {}) {
  return {.kind = Kind::kJson, .mapping = std::move(mapping)};
}
DialectOptions RawOptions(Mapping mapping = {}) {
  return {.kind = Kind::kRaw, .mapping = std::move(mapping)};
}

absl::StatusOr<Event> Mapped(const Message& message, const DialectOptions& options) {
  return DecodeMapped(message, options, {});
}

TEST(MappedTest, TheDefaultsTakeWhatEveryMessageHas) {
  Message message = WithBody("orders", "order.paid", "{}");
  message.properties.message_id = "m1";
  message.properties.timestamp = 1;
  const auto event = Mapped(message, JsonOptions());
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->id(), "m1");
  EXPECT_EQ(event->source(), "orders");
  EXPECT_EQ(event->type(), "order.paid");
  EXPECT_EQ(event->attribute("time"), "1970-01-01T00:00:01Z");
  EXPECT_EQ(event->attribute("subject"), std::nullopt);
  EXPECT_EQ(event->attribute("datacontenttype"), "application/json");
  EXPECT_EQ(DataOf(*event), "{}");
}

TEST(MappedTest, AMessageWithoutAnIdIsKnownByItsContent) {
  const Message message = WithBody("orders", "order.paid", "{}");
  EXPECT_EQ(Mapped(message, JsonOptions())->id(), ContentId(message));
}

TEST(MappedTest, JsonBodiesStayByteForByte) {
  const std::string body = " {\"b\": 1.0,\n \"a\": \"\\u00e9\"} ";
  EXPECT_EQ(DataOf(*Mapped(WithBody("e", "k", body), JsonOptions())), body);
}

TEST(MappedTest, JsonKeepsAMediaTypeThatSaysJson) {
  Message message = WithBody("e", "k", "{}");
  message.properties.content_type = "application/vnd.order+json";
  EXPECT_EQ(Mapped(message, JsonOptions())->attribute("datacontenttype"),
            "application/vnd.order+json");
  message.properties.content_type = "application/octet-stream";
  EXPECT_EQ(Mapped(message, JsonOptions())->attribute("datacontenttype"), "application/json");
}

TEST(MappedTest, RawTakesAnyBytes) {
  Message message = WithBody("e", "k", std::string("\0\xFF", 2));
  auto event = Mapped(message, RawOptions());
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(DataOf(*event), message.body);
  EXPECT_EQ(event->attribute("datacontenttype"), std::nullopt);
  message.properties.content_type = "image/png";
  message.body.clear();
  event = Mapped(message, RawOptions());
  EXPECT_EQ(event->attribute("datacontenttype"), "image/png");
  EXPECT_EQ(DataOf(*event), "");
}

TEST(MappedTest, RawReadsAttributesFromABodyThatIsJson) {
  const Mapping mapping = {.subject = {Place::Body({"/s"})}};
  EXPECT_EQ(Mapped(WithBody("e", "k", R"({"s": 5})"), RawOptions(mapping))->attribute("subject"),
            "5");
  EXPECT_EQ(Mapped(WithBody("e", "k", "{"), RawOptions(mapping))->attribute("subject"),
            std::nullopt);
}

TEST(MappedTest, ReadsTimesAsLegacySystemsWriteThem) {
  const Mapping mapping = {.time = {Place::Header("t")}};
  const auto time = [&mapping](Field field) {
    Message message = WithBody("e", "k", "{}");
    message.properties.headers = {{"t", std::move(field)}};
    const auto event = Mapped(message, JsonOptions(mapping));
    return event.ok() ? event->attribute("time").value_or("-") : ProblemOf(event);
  };
  EXPECT_EQ(time(Field::Text("2026-11-22T05:30:25+01:00")), "2026-11-22T04:30:25Z");
  EXPECT_EQ(time(Field::Text("2026-11-22 05:30:25.718500")), "2026-11-22T05:30:25.718500Z");
  EXPECT_EQ(time(Field::Text("2026-11-22T05:30:25")), "2026-11-22T05:30:25Z");
  EXPECT_EQ(time(Field::Text("1700000000")), "2023-11-14T22:13:20Z");
  EXPECT_EQ(time(Field::Number(1700000000)), "2023-11-14T22:13:20Z");
  EXPECT_EQ(time(Field::Number(1700000000123)), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(time(Typed('T', 1700000000123)), "2023-11-14T22:13:20.123Z");
  EXPECT_THAT(time(Field::Text("yesterday")),
              AllOf(HasSubstr("\"time\""), HasSubstr("header \"t\""), HasSubstr("RFC 3339")));
  EXPECT_THAT(time(Field::Bool(true)), HasSubstr("RFC 3339"));
  EXPECT_THAT(time(Field::Number(int64_t{1} << 62)), HasSubstr("9999"));
}

TEST(MappedTest, TakesExtensionsByName) {
  Message message = WithBody("e", "k", R"({"tenant": 7, "flag": false, "n": null})");
  message.properties.reply_to = "r";
  const auto event =
      Mapped(message, JsonOptions({.more = {{"tenant", {Place::Body({"/tenant"})}},
                                            {"flag", {Place::Body({"/flag"})}},
                                            {"absent", {Place::Body({"/n"})}},
                                            {"replyto", {Place::At(Place::From::kReplyTo)}},
                                            {"dataschema", {Place::Fixed("urn:orders")}},
                                            {"datacontenttype", {Place::Fixed("text/json")}}}}));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->attribute("tenant"), "7");
  EXPECT_EQ(event->attribute("flag"), "false");
  EXPECT_EQ(event->attribute("absent"), std::nullopt);
  EXPECT_EQ(event->attribute("replyto"), "r");
  EXPECT_EQ(event->attribute("dataschema"), "urn:orders");
  EXPECT_EQ(event->attribute("datacontenttype"), "text/json");
}

TEST(MappedTest, TraceHeadersPassThroughUnlessMapped) {
  Message message = WithBody("e", "k", "{}");
  message.properties.headers = {{"traceparent", Field::Text("00-a-b-01")},
                                {"tracestate", Field::Text("x=y")}};
  auto event = Mapped(message, RawOptions());
  EXPECT_EQ(event->attribute("traceparent"), "00-a-b-01");
  EXPECT_EQ(event->attribute("tracestate"), "x=y");
  event = Mapped(message, RawOptions({.more = {{"traceparent", {Place::Fixed("own")}}}}));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->attribute("traceparent"), "own");
}

TEST(MappedTest, HeadersThatHoldAnEventComeFirst) {
  Message message = WithHeaders(CoreHeaders(), {{"ce-subject", Field::Text("s")}});
  message.routing_key = "other";
  message.body = "{}";
  const auto event = Mapped(message, JsonOptions({.subject = {Place::Fixed("mapped")}}));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->type(), "story.created");
  EXPECT_EQ(event->attribute("subject"), "s");
  message.body = "no JSON";
  EXPECT_FALSE(Mapped(message, JsonOptions()).ok());
  EXPECT_TRUE(Mapped(message, RawOptions()).ok());
  message.body = "";
  EXPECT_TRUE(Mapped(message, JsonOptions()).ok());
}

TEST(MappedTest, SaysWhereItLookedForWhatIsMissing) {
  const Message message = WithBody("", "k", R"({"a": ""})");
  EXPECT_THAT(ProblemOf(Mapped(message, JsonOptions())),
              AllOf(HasSubstr("\"source\""), HasSubstr("exchange"), HasSubstr("fixed text")));
  EXPECT_THAT(
      ProblemOf(Mapped(message,
                       JsonOptions({.source = {Place::Body({"/a"}), Place::Body({"/b", "/c"})}}))),
      HasSubstr(R"(body "/a", body "/b" "/c")"));
  EXPECT_THAT(ProblemOf(Mapped(WithBody("e", "", "{}"), JsonOptions())), HasSubstr("\"type\""));
}

TEST(MappedTest, SaysWhyABodyIsNoJson) {
  Message message = WithBody("e", "k", "{\n\"a\": x}");
  EXPECT_THAT(ProblemOf(Mapped(message, JsonOptions())),
              AllOf(HasSubstr("body"), HasSubstr("line 2"), HasSubstr("dialect raw"),
                    Not(HasSubstr("encoding"))));
  for (const std::string& body : {std::string(), std::string("\xFF"), std::string("{}\0", 3)}) {
    EXPECT_THAT(ProblemOf(Mapped(WithBody("e", "k", body), JsonOptions())), HasSubstr("JSON"));
  }
  EXPECT_THAT(ProblemOf(Mapped(WithBody("e", "k", "\xEF\xBB\xBF{}"), JsonOptions())),
              HasSubstr("byte order mark"));
  message.properties.content_encoding = "utf-8";
  message.properties.headers = {{"compression", Field::Text("application/x-gzip")}};
  EXPECT_THAT(ProblemOf(Mapped(message, JsonOptions())), HasSubstr("application/x-gzip"));
}

TEST(MappedTest, RefusesWhatNoAttributeCanHold) {
  const Message message = WithBody("e", "k", R"({"o": {}, "bad": "a\nb"})");
  EXPECT_THAT(ProblemOf(Mapped(message, JsonOptions({.subject = {Place::Body({"/o"})}}))),
              AllOf(HasSubstr("\"subject\""), HasSubstr("body \"/o\""), HasSubstr("object")));
  EXPECT_THAT(ProblemOf(Mapped(message, JsonOptions({.id = {Place::Body({"/bad"})}}))),
              HasSubstr("control character"));
  EXPECT_EQ(DecodeMapped(message, JsonOptions(), {.max_bytes = 20}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace outboard::dialect
