#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using dialect::Kind;
using dialect::Mapping;
using dialect::Place;
using dialect::Places;
using From = dialect::Place::From;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string WithDialect(const std::string& dialect) {
  return "bus:\n  kind: rabbitmq\n  url: amqp://h\n  dialect: " + dialect + "\n";
}

dialect::DialectOptions Dialect(const std::string& yaml) {
  const ReadResult result = Read(WithDialect(yaml));
  EXPECT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  EXPECT_TRUE(CheckOptions(result.config.bus.rabbitmq.dialect).ok());
  return result.config.bus.rabbitmq.dialect;
}

std::string Wrong(const std::string& yaml) { return Problems(WithDialect(yaml)); }

TEST(ReadDialectTest, IsCloudEventsUnlessSaidOtherwise) {
  EXPECT_EQ(Dialect("{}"), dialect::DialectOptions());
  const dialect::DialectOptions written = Dialect("{form: json, prefix: cloudEvents_}");
  EXPECT_EQ(written.kind, Kind::kCloudEvents);
  EXPECT_EQ(written.form, dialect::CloudEventsForm::kStructuredJson);
  EXPECT_EQ(written.prefix, "cloudEvents_");
}

TEST(ReadDialectTest, AttributesHaveTheirUsualPlacesUnlessSaidOtherwise) {
  EXPECT_EQ(Dialect("{kind: json}"), dialect::DialectOptions{.kind = Kind::kJson});
  EXPECT_EQ(Dialect("{kind: raw, attributes: {subject: app_id}}"),
            (dialect::DialectOptions{.kind = Kind::kRaw,
                                     .mapping = {.subject = {Place::At(From::kAppId)}}}));
}

TEST(ReadDialectTest, ReadsEveryPlace) {
  const Mapping mapping = Dialect(R"(
    kind: json
    attributes:
      id: [message_id, correlation_id]
      source: {text: nova}
      type: [{body: [/oslo.message, /event_type]}, {body: /event_type}]
      subject: {header: nameko.user_id}
      time: []
      words: [exchange, routing_key, type, app_id, timestamp, content_type, content_encoding, user_id, reply_to]
      whole: {body: ""})")
                              .mapping;
  EXPECT_EQ(mapping.id, (Places{Place::At(From::kMessageId), Place::At(From::kCorrelationId)}));
  EXPECT_EQ(mapping.source, Places{Place::Fixed("nova")});
  EXPECT_EQ(mapping.type,
            (Places{Place::Body({"/oslo.message", "/event_type"}), Place::Body({"/event_type"})}));
  EXPECT_EQ(mapping.subject, Places{Place::Header("nameko.user_id")});
  EXPECT_EQ(mapping.time, Places());
  ASSERT_EQ(mapping.more.size(), 2u);
  EXPECT_EQ(mapping.more[0].first, "words");
  EXPECT_EQ(mapping.more[0].second,
            (Places{Place::At(From::kExchange), Place::At(From::kRoutingKey),
                    Place::At(From::kType), Place::At(From::kAppId), Place::At(From::kTimestamp),
                    Place::At(From::kContentType), Place::At(From::kContentEncoding),
                    Place::At(From::kUserId), Place::At(From::kReplyTo)}));
  EXPECT_EQ(mapping.more[1], std::make_pair(std::string("whole"), Places{Place::Body({""})}));
}

TEST(ReadDialectTest, SaysWhereAPlaceIsWrongAndWhatToWrite) {
  EXPECT_THAT(Wrong("{kind: json, attributes: {id: mesage_id}}"),
              AllOf(HasSubstr("outboard.yaml:4:42: bus.dialect.attributes.id: unknown value "
                              "\"mesage_id\"; did you mean message_id?"),
                    HasSubstr("routing_key")));
  EXPECT_THAT(Wrong("{kind: json, attributes: {id: {bdy: /a}}}"),
              HasSubstr("bus.dialect.attributes.id.bdy: unknown key; did you mean body?"));
  EXPECT_THAT(Wrong("{kind: json, attributes: {id: [app_id, {body: /a, header: b}]}}"),
              HasSubstr("bus.dialect.attributes.id[1]: needs one of body, header and text; write "
                        "each place on its own, in a list"));
  EXPECT_THAT(Wrong("{kind: json, attributes: {id: {body: a/b}}}"),
              HasSubstr("bus.dialect.attributes.id: \"a/b\" is no JSON Pointer; begin it with"));
  EXPECT_THAT(Wrong("{kind: json, attributes: {id: {header: \"\"}}}"),
              HasSubstr("bus.dialect.attributes.id: a header without a name"));
  EXPECT_THAT(Wrong("{kind: json, attributes: {type: []}}"),
              HasSubstr("bus.dialect.attributes.type: has no place; name one"));
  EXPECT_THAT(Wrong("{kind: json, attributes: {user_id: app_id}}"),
              HasSubstr("bus.dialect.attributes.user_id: is no name of an attribute"));
}

TEST(ReadDialectTest, RefusesWhatTheKindDoesNotHave) {
  EXPECT_THAT(Wrong("{kind: oslo}"),
              HasSubstr("bus.dialect.kind: unknown value \"oslo\"; use one of cloudevents, json, "
                        "raw"));
  EXPECT_THAT(Wrong("{kind: json, form: binary}"),
              HasSubstr("bus.dialect.form: is of kind cloudevents alone; remove it"));
  EXPECT_THAT(Wrong("{attributes: {id: app_id}}"),
              HasSubstr("bus.dialect.attributes: is of the kinds json and raw"));
  EXPECT_THAT(Wrong("{prefix: x-}"), HasSubstr("bus.dialect.prefix: unknown value \"x-\""));
}

}  // namespace
}  // namespace outboard::config
