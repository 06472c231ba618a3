#include "host/dialect/header_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/dialect/identity.h"
#include "tests/unit/dialect/messages.h"

namespace outboard::dialect {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::StatusOr<Event> ReadWith(const Table& more) {
  return DecodeHeaders(WithHeaders(CoreHeaders(), more), {});
}

std::string ProblemWith(const Table& more) {
  const auto event = ReadWith(more);
  EXPECT_NE(event.status().code(), absl::StatusCode::kOk);
  return ProblemOf(event);
}

TEST(HeaderReaderTest, ReadsTheRequiredAttributes) {
  const auto event = ReadWith({});
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->id(), "1");
  EXPECT_EQ(event->source(), "tracker");
  EXPECT_EQ(event->type(), "story.created");
  EXPECT_EQ(event->attribute("datacontenttype"), std::nullopt);
}

TEST(HeaderReaderTest, TakesEveryPrefixEvenMixed) {
  for (const std::string prefix : {"cloudEvents:", "cloudEvents_", "ce-"}) {
    const auto event = DecodeHeaders(WithHeaders({{prefix + "id", Field::Text("7")},
                                                  {"ce-source", Field::Text("s")},
                                                  {"cloudEvents_type", Field::Text("t")},
                                                  {prefix + "subject", Field::Text("x")}}),
                                     {});
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(event->id(), "7");
    EXPECT_EQ(event->source(), "s");
    EXPECT_EQ(event->type(), "t");
    EXPECT_EQ(event->attribute("subject"), "x");
  }
}

TEST(HeaderReaderTest, ContentTypeIsDatacontenttypeAndTheBodyTheData) {
  Message message = WithHeaders(CoreHeaders());
  message.properties.content_type = "text/plain";
  message.body = "hello";
  const auto event = DecodeHeaders(message, {});
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->attribute("datacontenttype"), "text/plain");
  EXPECT_EQ(DataOf(*event), "hello");
}

TEST(HeaderReaderTest, ADatacontenttypeHeaderMayOnlyRepeatTheContentType) {
  Message message = WithHeaders(CoreHeaders(), {{"ce-datacontenttype", Field::Text("text/plain")}});
  EXPECT_EQ(DecodeHeaders(message, {})->attribute("datacontenttype"), "text/plain");
  message.properties.content_type = "text/plain";
  EXPECT_EQ(DecodeHeaders(message, {})->attribute("datacontenttype"), "text/plain");
  message.properties.content_type = "text/html";
  EXPECT_THAT(ProblemOf(DecodeHeaders(message, {})),
              AllOf(HasSubstr("ce-datacontenttype"), HasSubstr("content_type")));
}

TEST(HeaderReaderTest, ReadsTypesOfTheWire) {
  const auto event = ReadWith({{"ce-n", Typed('I', -5)},
                               {"ce-b", Field::Bool(true)},
                               {"ce-x", ByteField("\xFF")},
                               {"ce-t", Typed('T', 1)},
                               {"ce-time", Typed('T', 2)},
                               {"ce-subject", Typed('l', 12)},
                               {"ce-none", Field()},
                               {"other", Field::Text("not ours")}});
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->attribute("n"), "-5");
  EXPECT_EQ(event->attribute("b"), "true");
  EXPECT_EQ(event->attribute("x"), "/w==");
  EXPECT_EQ(event->attribute("t"), "1970-01-01T00:00:01Z");
  EXPECT_EQ(event->attribute("time"), "1970-01-01T00:00:02Z");
  EXPECT_EQ(event->attribute("subject"), "12");
  EXPECT_EQ(event->attribute("none"), std::nullopt);
  EXPECT_EQ(event->attribute("other"), std::nullopt);
}

TEST(HeaderReaderTest, TextTimesAreRfc3339) {
  EXPECT_EQ(ReadWith({{"ce-time", Field::Text("2026-01-31T12:00:00+01:00")}})->attribute("time"),
            "2026-01-31T11:00:00Z");
  EXPECT_THAT(ProblemWith({{"ce-time", Field::Text("yesterday")}}),
              AllOf(HasSubstr("header \"ce-time\""), HasSubstr("RFC 3339")));
}

TEST(HeaderReaderTest, AnAttributeUnderTwoPrefixesIsAnError) {
  EXPECT_THAT(ProblemWith({{"ce-id", Field::Text("1")}}),
              AllOf(HasSubstr("\"ce-id\""), HasSubstr("\"cloudEvents:id\""), HasSubstr("once")));
}

TEST(HeaderReaderTest, OfAHeaderThatIsThereTwiceTheFirstCounts) {
  const auto event = ReadWith({{"cloudEvents:id", Field::Text("2")}});
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->id(), "1");
}

TEST(HeaderReaderTest, NamesWhatIsWrong) {
  EXPECT_THAT(ProblemWith({{"ce-subject", Field::Text("\xFF")}}),
              AllOf(HasSubstr("subject"), HasSubstr("UTF-8")));
  EXPECT_THAT(ProblemWith({{"ce-n", Field::Number(int64_t{1} << 31)}}),
              AllOf(HasSubstr("\"ce-n\""), HasSubstr("32 bits")));
  EXPECT_THAT(ProblemWith({{"ce-x", Typed('F', 0)}}), HasSubstr("\"ce-x\""));
  EXPECT_THAT(ProblemWith({{"ce-Bad", Field::Text("x")}}),
              AllOf(HasSubstr("Bad"), HasSubstr("a-z")));
  EXPECT_THAT(ProblemOf(DecodeHeaders(
                  WithHeaders({{"ce-id", Field::Text("1")}, {"ce-type", Field::Text("t")}}), {})),
              AllOf(HasSubstr("\"cloudEvents:source\""), HasSubstr("missing")));
  EXPECT_THAT(ProblemOf(DecodeHeaders(WithHeaders({{"ce-specversion", Field::Text("0.3")},
                                                   {"ce-id", Field::Text("1")},
                                                   {"ce-source", Field::Text("s")},
                                                   {"ce-type", Field::Text("t")}}),
                                      {})),
              HasSubstr("1.0"));
  EXPECT_THAT(ProblemOf(DecodeHeaders(WithHeaders({}), {})),
              AllOf(HasSubstr("cloudEvents_"), HasSubstr("json or raw")));
}

TEST(HeaderReaderTest, WithoutAnIdItIsMessageIdThenOfTheContent) {
  Message message = WithHeaders({{"ce-source", Field::Text("s")}, {"ce-type", Field::Text("t")}});
  EXPECT_EQ(DecodeHeaders(message, {})->id(), ContentId(message));
  message.properties.message_id = "";
  EXPECT_EQ(DecodeHeaders(message, {})->id(), ContentId(message));
  message.properties.message_id = "m";
  EXPECT_EQ(DecodeHeaders(message, {})->id(), "m");
}

TEST(HeaderReaderTest, TraceHeadersPassThroughWhereTheEventHasNone) {
  const char parent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  auto event = ReadWith({{"traceparent", Field::Text(parent)}, {"tracestate", ByteField("a=b")}});
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->attribute("traceparent"), parent);
  EXPECT_EQ(event->attribute("tracestate"), "a=b");
  event = ReadWith({{"traceparent", Field::Text(parent)}, {"ce-traceparent", Field::Text("own")}});
  EXPECT_EQ(event->attribute("traceparent"), "own");
  event = ReadWith({{"traceparent", Field::Text("\xFF")}, {"tracestate", Field::Number(5)}});
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->attribute("traceparent"), std::nullopt);
  EXPECT_EQ(event->attribute("tracestate"), std::nullopt);
}

TEST(HeaderReaderTest, KnowsWhichHeadersHoldAnEvent) {
  EXPECT_TRUE(HoldsEvent(WithHeaders(CoreHeaders())));
  EXPECT_TRUE(HoldsEvent(WithHeaders({{"ce-specversion", Field::Text("1.0")}})));
  EXPECT_FALSE(HoldsEvent(WithHeaders({{"ce-id", Field::Text("1")}})));
  EXPECT_FALSE(HoldsEvent(WithHeaders({{"specversion", Field::Text("1.0")}})));
}

TEST(HeaderReaderTest, ManyHeadersCostNoSquare) {
  Table more;
  for (int i = 0; i < 50'000; ++i) {
    more.emplace_back("ce-a" + std::to_string(i), Field::Number(i));
  }
  const auto event = ReadWith(more);
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->attribute("a49999"), "49999");
}

}  // namespace
}  // namespace outboard::dialect
