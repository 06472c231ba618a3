#include "host/event/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/event/wire_text.h"

namespace outboard {
namespace {

using namespace wire_text;  // NOLINT: helpers of this test.
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// An event's JSON with `more` members.
std::string Json(const std::string& more = "") {
  return R"({"specversion":"1.0","id":"1","source":"tracker","type":"story.created")" + more + "}";
}

// The wire bytes of what the JSON says, or its error.
std::string Read(const std::string& json) {
  const auto event = EventFromJson(json);
  return event.ok() ? std::string(event->bytes()) : std::string(event.status().message());
}

std::string Write(const std::string& bytes) {
  const auto event = CheckEvent(bytes);
  EXPECT_TRUE(event.ok()) << event.status();
  return EventToJson(*event);
}

// In the order in which Json() gives them.
std::string Base() {
  return Join({Version("1.0"), Id("1"), Source("tracker"), Type("story.created")});
}

const std::string kJsonMark = StringAttribute("datacontenttype", "application/json");
const std::string kTextMark = StringAttribute("datacontenttype", "text/plain");

TEST(EventFromJsonTest, ReadsTheRequiredAttributes) { EXPECT_EQ(Read(Json()), Base()); }

TEST(EventFromJsonTest, ReadsAttributesInTheirTypes) {
  EXPECT_EQ(Read(Json(R"(,"subject":"story/12")")),
            Base() + StringAttribute("subject", "story/12"));
  EXPECT_EQ(Read(Json(R"(,"time":"1970-01-01T01:00:01.000000002+01:00")")),
            Base() + Attribute("time", Bytes(7, Small(1, 1) + Small(2, 2))));
  EXPECT_EQ(Read(Json(R"(,"time":"1970-01-01T00:00:00Z")")),
            Base() + Attribute("time", Bytes(7, "")));
  EXPECT_EQ(Read(Json(R"(,"dataschema":"urn:x")")),
            Base() + Attribute("dataschema", Bytes(5, "urn:x")));
  EXPECT_EQ(Read(Json(R"(,"flag":true,"off":false)")),
            Base() + Attribute("flag", Small(1, 1)) + Attribute("off", Small(1, 0)));
  EXPECT_EQ(Read(Json(R"(,"n":5)")), Base() + Attribute("n", Small(2, 5)));
  EXPECT_EQ(EventFromJson(Json(R"(,"n":-2147483648)"))->attribute("n"), "-2147483648");
  EXPECT_EQ(EventFromJson(Json(R"(,"n":2147483647)"))->attribute("n"), "2147483647");
}

TEST(EventFromJsonTest, NullIsTheSameAsNotThere) {
  EXPECT_EQ(Read(Json(R"(,"subject":null,"data":null,"data_base64":null)")), Base());
  EXPECT_EQ(Read(Json(R"(,"data":null,"data_base64":"eA==")")), Base() + Binary("x"));
}

TEST(EventFromJsonTest, SetsASpecVersionThatIsMissing) {
  EXPECT_EQ(Read(R"({"id":"1","source":"s","type":"t"})"),
            Join({Id("1"), Source("s"), Type("t"), Version("1.0")}));
}

TEST(EventFromJsonTest, KeepsJsonDataByteForByte) {
  const std::string data = R"({ "b": 1.0, "a": 123456789012345678901234567890, "b": "é" })";
  EXPECT_EQ(Read(Json(R"(,"datacontenttype":"application/json","data": )" + data + " ")),
            Base() + kJsonMark + Binary(data));
}

TEST(EventFromJsonTest, DataWithoutAMediaTypeIsJson) {
  EXPECT_EQ(Read(Json(R"(,"data":{"a":1})")), Base() + kJsonMark + Binary(R"({"a":1})"));
  EXPECT_EQ(Read(Json(R"(,"data":"text")")), Base() + kJsonMark + Binary(R"("text")"));
  EXPECT_EQ(Read(Json(R"(,"data":false)")), Base() + kJsonMark + Binary("false"));
}

TEST(EventFromJsonTest, AStringUnderAnotherMediaTypeIsItsText) {
  EXPECT_EQ(Read(Json(R"(,"data":"gr\u00f6\u00dfe\n","datacontenttype":"text/plain")")),
            Base() + kTextMark + Binary("größe\n"));
}

TEST(EventFromJsonTest, JsonMediaTypesAreKnownByTheirSuffix) {
  for (const char* type :
       {"text/json", "Application/JSON; charset=utf-8", "application/cloudevents+json"}) {
    EXPECT_EQ(Read(Json(std::string(R"(,"data":"x","datacontenttype":")") + type + "\"")),
              Base() + StringAttribute("datacontenttype", type) + Binary(R"("x")"));
  }
}

TEST(EventFromJsonTest, ReadsBase64) {
  EXPECT_EQ(Read(Json(R"(,"data_base64":"AP8=")")), Base() + Binary(std::string("\0\xFF", 2)));
  EXPECT_EQ(Read(Json(R"(,"data_base64":"")")), Base() + Binary(""));
}

TEST(EventFromJsonTest, NamesTheMemberThatIsWrong) {
  const auto member = [](const char* name) {
    return HasSubstr(std::string("member \"") + name + "\"");
  };
  EXPECT_THAT(Read(R"({"source":"s","type":"t"})"), AllOf(member("id"), HasSubstr("missing")));
  EXPECT_THAT(Read(R"({"id":null,"source":"s","type":"t"})"),
              AllOf(member("id"), HasSubstr("null")));
  EXPECT_THAT(Read(R"({"id":1,"source":"s","type":"t"})"),
              AllOf(member("id"), HasSubstr("quotes")));
  EXPECT_THAT(Read(R"({"id":"","source":"s","type":"t"})"), HasSubstr("id: is empty"));
  EXPECT_THAT(Read(R"({"id":"1","type":"t"})"), HasSubstr("source: is missing"));
  EXPECT_THAT(Read(Json(R"(,"id":"2")")), AllOf(member("id"), HasSubstr("twice")));
  EXPECT_THAT(Read(Json(R"(,"time":"yesterday")")), AllOf(member("time"), HasSubstr("RFC 3339")));
  EXPECT_THAT(Read(Json(R"(,"time":5)")), AllOf(member("time"), HasSubstr("no string")));
  EXPECT_THAT(Read(Json(R"(,"n":2147483648)")), AllOf(member("n"), HasSubstr("32 bits")));
  EXPECT_THAT(Read(Json(R"(,"n":-2147483649)")), AllOf(member("n"), HasSubstr("32 bits")));
  EXPECT_THAT(Read(Json(R"(,"n":18446744073709551615)")), AllOf(member("n"), HasSubstr("32 bits")));
  EXPECT_THAT(Read(Json(R"(,"n":1.5)")), AllOf(member("n"), HasSubstr("32 bits")));
  EXPECT_THAT(Read(Json(R"(,"x":{})")), AllOf(member("x"), HasSubstr("object or array")));
  EXPECT_THAT(Read(Json(R"(,"Bad":"x")")), AllOf(HasSubstr("\"Bad\""), HasSubstr("a-z")));
  EXPECT_THAT(Read(Json(R"(,"data":1,"data_base64":"")")),
              AllOf(member("data"), HasSubstr("one of them")));
  EXPECT_THAT(Read(Json(R"(,"data_base64":"?")")),
              AllOf(member("data_base64"), HasSubstr("base64")));
  EXPECT_THAT(Read(Json(R"(,"data":{},"datacontenttype":"text/plain")")),
              AllOf(member("data"), HasSubstr("string")));
  EXPECT_THAT(Read(R"({"specversion":"0.3","id":"1","source":"s","type":"t"})"), HasSubstr("1.0"));
  EXPECT_THAT(Read("nonsense"), HasSubstr("at column 2"));
}

TEST(EventFromJsonTest, RefusesWhatIsTooLarge) {
  EXPECT_EQ(
      EventFromJson(Json(R"(,"data":"12345678901234567890")"), {.max_bytes = 60}).status().code(),
      absl::StatusCode::kResourceExhausted);
}

TEST(EventToJsonTest, WritesEveryKindOfAttribute) {
  EXPECT_EQ(
      Write(Join({Core(), Attribute("b", Small(1, 1)), Attribute("n", Small(2, 5)),
                  StringAttribute("s", "a\"b"), Attribute("x", Bytes(4, "\xFF")),
                  Attribute("u", Bytes(5, "urn:x")), Attribute("time", Bytes(7, Small(1, 1)))})),
      Json(R"(,"b":true,"n":5,"s":"a\"b","x":"/w==","u":"urn:x","time":"1970-01-01T00:00:01Z")"));
  EXPECT_EQ(EventToJson(Event()), "{}");
}

TEST(EventToJsonTest, WritesDataAsItsMediaTypeSays) {
  EXPECT_EQ(Write(Core() + kJsonMark + Binary(R"({ "a": 1.0 })")),
            Json(R"(,"datacontenttype":"application/json","data":{ "a": 1.0 })"));
  EXPECT_EQ(Write(Core() + kTextMark + Binary("größe")),
            Json(R"(,"datacontenttype":"text/plain","data":"größe")"));
  EXPECT_EQ(Write(Core() + kTextMark + Binary("\xFF")),
            Json(R"(,"datacontenttype":"text/plain","data_base64":"/w==")"));
  EXPECT_EQ(Write(Core() + kJsonMark + Binary("{")),
            Json(R"(,"datacontenttype":"application/json","data_base64":"ew==")"));
  EXPECT_EQ(Write(Core() + Binary("[1]")), Json(R"(,"data":[1])"));
  EXPECT_EQ(Write(Core() + Binary("text")), Json(R"(,"data_base64":"dGV4dA==")"));
  EXPECT_EQ(Write(Core() + Binary("null")), Json(R"(,"data_base64":"bnVsbA==")"));
  EXPECT_EQ(Write(Core() + kTextMark + Binary("")),
            Json(R"(,"datacontenttype":"text/plain","data":"")"));
}

TEST(EventToJsonTest, IsOneLine) {
  EXPECT_THAT(
      Write(Core() + kJsonMark + Binary("{\n \"a\":\r\n 1}") + StringAttribute("s", "x\ny")),
      Not(AnyOf(HasSubstr("\n"), HasSubstr("\r"))));
}

TEST(EventToJsonTest, WritesProtoDataAsItsBytesAndType) {
  EXPECT_EQ(
      Write(Core() + Bytes(8, Bytes(1, "x/a.B") + Bytes(2, "\x08\x01"))),
      Json(
          R"(,"datacontenttype":"application/protobuf","dataschema":"x/a.B","data_base64":"CAE=")"));
}

TEST(EventJsonTest, ReadsBackTheSameBytes) {
  for (const std::string& more :
       {std::string(), Binary("x"), kJsonMark + Binary("{}"), kJsonMark + Binary("null"),
        kJsonMark + Binary("{"), kTextMark + Binary("größe"), kTextMark + Binary("\xFF"),
        kTextMark + Binary("null"), Binary(""), kJsonMark + Binary(""),
        StringAttribute("s", "\x01\xE2\x80\xA8"), Attribute("b", Small(1, 0)),
        Attribute("time", Bytes(7, Small(1, 1))), Attribute("dataschema", Bytes(5, "urn:x"))}) {
    const std::string bytes = Base() + more;
    EXPECT_EQ(Read(Write(bytes)), bytes) << Write(bytes);
  }
}

}  // namespace
}  // namespace outboard
