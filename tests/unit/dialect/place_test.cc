#include "host/dialect/place.h"

#include <gtest/gtest.h>

#include "tests/unit/dialect/messages.h"

namespace outboard::dialect {
namespace {

using From = Place::From;

Message Full() {
  Message message = WithBody("ex", "key", R"({"a": {"b": ["x", 5, null, {}, 1.50, true]},
      "big": 9000000000, "inner": "{\"c\": \"{\\\"d\\\": \\\"deep\\\"}\", \"e\": 7}",
      "empty": "", "broken": "{", "esc": "\u00e9\n"})");
  message.properties.message_id = "m";
  message.properties.type = "t";
  message.properties.app_id = "a";
  message.properties.correlation_id = "c";
  message.properties.timestamp = 1;
  message.properties.content_type = "ct";
  message.properties.content_encoding = "ce";
  message.properties.user_id = "u";
  message.properties.reply_to = "r";
  message.properties.headers = {{"h", Field::Text("first")},
                                {"h", Field::Text("second")},
                                {"n", Field::Number(int64_t{1} << 31)},
                                {"v", Field()}};
  return message;
}

// The text form of what the places hold; "-" for nothing.
std::string ReadFrom(const Message& message, const Places& places) {
  const MessageView view(message);
  PlaceReader reader(view);
  return TextOf(reader.Find(places)).value_or("-");
}

std::string ReadBody(std::vector<std::string> pointers) {
  return ReadFrom(Full(), {Place::Body(std::move(pointers))});
}

TEST(PlaceTest, ReadsPropertiesAndHowAMessageCame) {
  const std::pair<From, const char*> expected[] = {{From::kMessageId, "m"},
                                                   {From::kType, "t"},
                                                   {From::kAppId, "a"},
                                                   {From::kCorrelationId, "c"},
                                                   {From::kContentType, "ct"},
                                                   {From::kContentEncoding, "ce"},
                                                   {From::kUserId, "u"},
                                                   {From::kReplyTo, "r"},
                                                   {From::kExchange, "ex"},
                                                   {From::kRoutingKey, "key"},
                                                   {From::kTimestamp, "1970-01-01T00:00:01Z"}};
  for (const auto& [from, text] : expected) {
    EXPECT_EQ(ReadFrom(Full(), {Place::At(from)}), text);
    EXPECT_EQ(ReadFrom(Message(), {Place::At(from)}), "-") << Describe({Place::At(from)});
  }
}

TEST(PlaceTest, ReadsHeadersAndFixedTexts) {
  EXPECT_EQ(ReadFrom(Full(), {Place::Header("h")}), "first");
  EXPECT_EQ(ReadFrom(Full(), {Place::Header("H")}), "-");
  EXPECT_EQ(ReadFrom(Full(), {Place::Header("v")}), "-");
  EXPECT_EQ(ReadFrom(Full(), {Place::Fixed("f")}), "f");
}

TEST(PlaceTest, ReadsTheBodyByPointers) {
  EXPECT_EQ(ReadBody({"/a/b/0"}), "x");
  EXPECT_EQ(ReadBody({"/a/b/1"}), "5");
  EXPECT_EQ(ReadBody({"/a/b/2"}), "-");
  EXPECT_EQ(ReadBody({"/a/b/4"}), "1.50");
  EXPECT_EQ(ReadBody({"/a/b/5"}), "true");
  EXPECT_EQ(ReadBody({"/esc"}), "é\n");
  EXPECT_EQ(ReadBody({"/none"}), "-");
  EXPECT_EQ(ReadFrom(WithBody("", "", R"("whole")"), {Place::Body({""})}), "whole");
  EXPECT_EQ(ReadFrom(WithBody("", "", "no JSON"), {Place::Body({""})}), "-");
}

TEST(PlaceTest, FurtherPointersLookIntoJsonInsideOfAString) {
  EXPECT_EQ(ReadBody({"/inner", "/e"}), "7");
  EXPECT_EQ(ReadBody({"/inner", "/c", "/d"}), "deep");
  EXPECT_EQ(ReadBody({"/inner", ""}), "-");  // An object.
  EXPECT_EQ(ReadBody({"/inner/e"}), "-");
  EXPECT_EQ(ReadBody({"/broken", ""}), "-");
  EXPECT_EQ(ReadBody({"/a", "/b"}), "-");  // No string.
  EXPECT_EQ(ReadBody({"/none", "/b"}), "-");
}

TEST(PlaceTest, OpensAStringOnceForManyAttributes) {
  const Message message = Full();
  const MessageView view(message);
  PlaceReader reader(view);
  const Value first = reader.Find({Place::Body({"/inner", "/e"})});
  const Value broken = reader.Find({Place::Body({"/broken", "/e"})});
  const Value second = reader.Find({Place::Body({"/inner", "/c", "/d"})});
  EXPECT_EQ(TextOf(first), "7");
  EXPECT_FALSE(broken.is_there());
  EXPECT_EQ(TextOf(second), "deep");
  EXPECT_FALSE(reader.Find({Place::Body({"/broken", "/e"})}).is_there());
}

TEST(PlaceTest, TakesTheWordOfWhoKnowsThatTheBodyIsJson) {
  const Message message = Full();
  const MessageView view(message);
  PlaceReader reader = PlaceReader::OfJson(view);
  EXPECT_EQ(TextOf(reader.Find({Place::Body({"/inner", "/e"})})), "7");
}

TEST(PlaceTest, TheFirstPlaceThatIsThereWins) {
  EXPECT_EQ(ReadFrom(Full(), {Place::Header("x"), Place::Body({"/a/b/2"}), Place::Body({"/empty"}),
                              Place::Header("h"), Place::Fixed("f")}),
            "first");
  EXPECT_EQ(ReadFrom(Full(), {}), "-");
}

TEST(PlaceTest, ValuesKeepTheirTypes) {
  const Message message = Full();
  const MessageView view(message);
  PlaceReader reader(view);
  const auto kind = [&reader](Place place) { return reader.Find({std::move(place)}).kind; };
  EXPECT_EQ(kind(Place::Body({"/a/b/1"})), Value::Kind::kInteger);
  EXPECT_EQ(kind(Place::Body({"/a/b/3"})), Value::Kind::kCompound);
  EXPECT_EQ(kind(Place::Body({"/a/b/4"})), Value::Kind::kText);
  EXPECT_EQ(kind(Place::Body({"/a/b/5"})), Value::Kind::kBoolean);
  EXPECT_EQ(kind(Place::Body({"/big"})), Value::Kind::kText);
  EXPECT_EQ(kind(Place::Header("n")), Value::Kind::kText);
  EXPECT_EQ(kind(Place::At(From::kTimestamp)), Value::Kind::kTime);
  EXPECT_EQ(ReadBody({"/big"}), "9000000000");
}

TEST(PlaceTest, DescribesThemselves) {
  EXPECT_EQ(Describe({Place::At(From::kMessageId), Place::Header("x\n"), Place::Body({"/a", "/b"}),
                      Place::Fixed("t"), Place::At(From::kRoutingKey)}),
            R"(property message_id, header "x\x0A", body "/a" "/b", text "t", routing key)");
}

}  // namespace
}  // namespace outboard::dialect
