#include "host/event/json_members.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard {
namespace {

using ::testing::HasSubstr;

// "name=value;" of every member, or the error.
std::string Split(absl::string_view text) {
  const auto members = SplitJsonObject(text);
  if (!members.ok()) return std::string(members.status().message());
  std::string out;
  for (const JsonMember& member : *members)
    out += member.name + "=" + std::string(member.value) + ";";
  return out;
}

TEST(JsonMembersTest, KeepsValuesAsTheyStand) {
  EXPECT_EQ(Split("{}"), "");
  EXPECT_EQ(Split(" { \n } "), "");
  EXPECT_EQ(Split(R"({"a":1})"), "a=1;");
  EXPECT_EQ(Split(R"({ "a" : 1.50 , "b" : { "z": 1,  "a": [ 2, {} ] } , "c":[]})"),
            R"(a=1.50;b={ "z": 1,  "a": [ 2, {} ] };c=[];)");
  EXPECT_EQ(Split(R"({"a":"},{\"","b":"\\","c":null})"), R"(a="},{\"";b="\\";c=null;)");
  EXPECT_EQ(Split("{\"n\":123456789012345678901234567890}"), "n=123456789012345678901234567890;");
}

TEST(JsonMembersTest, UnescapesNamesAndKeepsRepeatedOnes) {
  EXPECT_EQ(Split(R"({"\u0069d":1,"id":2})"), "id=1;id=2;");
}

TEST(JsonMembersTest, SkipsAByteOrderMark) {
  EXPECT_EQ(Split("\xEF\xBB\xBF{\"a\":1}"), "a=1;");
  EXPECT_THAT(Split("\xEF\xBB\xBF\xEF\xBB\xBF{\"a\":1}"), HasSubstr("well-formed"));
}

TEST(JsonMembersTest, SaysWhereTheTextIsBroken) {
  EXPECT_THAT(Split(""), HasSubstr("UTF-8 at column 1;"));
  EXPECT_THAT(Split("{\"a\":1,\n \"b\" 2}"), HasSubstr("line 2, column 6"));
  EXPECT_THAT(Split("{\"a\":1} x"), HasSubstr("UTF-8 at column 9;"));
  EXPECT_THAT(Split("{\"a\":\"\xFF\"}"), HasSubstr("UTF-8"));
  EXPECT_THAT(Split("{\"a\":\"\\ud800\"}"), HasSubstr("well-formed"));
  EXPECT_THAT(Split("{'a':1}"), HasSubstr("column 2"));
  EXPECT_THAT(Split("{\"a\":NaN}"), HasSubstr("well-formed"));
}

TEST(JsonMembersTest, AsksForAnObject) {
  for (const char* text : {"[]", "1", "\"x\"", "null", "[{\"id\":\"1\"}]"}) {
    EXPECT_THAT(Split(text), HasSubstr("no object")) << text;
  }
}

TEST(JsonMembersTest, DepthCostsNoStack) {
  const size_t depth = 300'000;
  const std::string nested = std::string(depth, '[') + std::string(depth, ']');
  EXPECT_EQ(Split("{\"a\":" + nested + "}"), "a=" + nested + ";");
  EXPECT_TRUE(IsJsonText(nested));
}

TEST(JsonMembersTest, KnowsOneJsonValue) {
  for (const char* text : {"1", " {} ", "\"x\"", "null", "[1,\n2]"})
    EXPECT_TRUE(IsJsonText(text)) << text;
  for (const char* text : {"", "x", "1 2", "{", "\"\xFF\"", "\xEF\xBB\xBF{}"})
    EXPECT_FALSE(IsJsonText(text)) << text;
}

// The parser takes a zero byte for the end of its input.
TEST(JsonMembersTest, NothingHidesBehindAZeroByte) {
  EXPECT_FALSE(IsJsonText(absl::string_view("\"x\"\0rest", 8)));
  EXPECT_FALSE(IsJsonText(absl::string_view("1\0", 2)));
  EXPECT_THAT(Split(std::string("{\"a\":1}\0{", 9)), HasSubstr("UTF-8 at column 8;"));
}

std::string Items(absl::string_view text) {
  const auto items = SplitJsonArray(text);
  if (!items.ok()) return std::string(items.status().message());
  std::string out;
  for (const absl::string_view item : *items) out += std::string(item) + ";";
  return out;
}

TEST(JsonMembersTest, SplitsAnArray) {
  EXPECT_EQ(Items("[]"), "");
  EXPECT_EQ(Items(" [ \n ] "), "");
  EXPECT_EQ(Items("\xEF\xBB\xBF[1]"), "1;");
  EXPECT_EQ(Items(R"([ {"a": [1, 2]} , [ ] ,null,"],\"" ])"), R"({"a": [1, 2]};[ ];null;"],\"";)");
}

TEST(JsonMembersTest, AnArrayThatIsNoneSaysSo) {
  for (const char* text : {"{}", "1", "null", "{\"id\":\"1\"}"})
    EXPECT_THAT(Items(text), HasSubstr("no array")) << text;
  EXPECT_THAT(Items("[1,\n{]"), HasSubstr("line 2, column 2"));
  EXPECT_THAT(Items("[1] 2"), HasSubstr("column 5"));
  EXPECT_THAT(Items(""), HasSubstr("column 1"));
  EXPECT_THAT(Items(std::string("[1]\0", 4)), HasSubstr("column 4"));
}

}  // namespace
}  // namespace outboard
