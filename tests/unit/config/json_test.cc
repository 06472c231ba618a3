#include "host/config/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::HasSubstr;

// The JSON of a plugin's config, or the problems.
std::string Json(const std::string& config, const std::map<std::string, std::string>& env = {}) {
  const ReadResult result = Read(
      "plugins:\n- name: p\n  run: [x]\n  config: " + config + "\nroutes: [{name: r, to: p}]\n",
      env);
  return result.ok() ? result.config.plugins[0].config_json : ToText(result.problems);
}

TEST(JsonTest, KeepsTheTypesOfTheCoreSchema) {
  EXPECT_EQ(
      Json("{a: 1, b: \"1\", c: 1.50, d: true, e: 'true', f: ~, g: null, h: yes, i: text}"),
      R"({"a":1,"b":"1","c":1.50,"d":true,"e":"true","f":null,"g":null,"h":"yes","i":"text"})");
}

TEST(JsonTest, WritesNumbersAsJsonKnowsThem) {
  EXPECT_EQ(Json("{a: +7, b: 007, c: 0x1F, d: 0o17, e: .5, f: 5., g: -0.5e+3, h: 1e3, i: -012}"),
            R"({"a":7,"b":7,"c":31,"d":15,"e":0.5,"f":5.0,"g":-0.5e+3,"h":1e3,"i":-12})");
}

TEST(JsonTest, KeepsEveryDigit) {
  EXPECT_EQ(Json("{a: 123456789012345678901234567890, b: 0.1000000000000000055511151231257827}"),
            R"({"a":123456789012345678901234567890,"b":0.1000000000000000055511151231257827})");
}

TEST(JsonTest, LeavesWhatOnlyLooksLikeANumber) {
  EXPECT_EQ(
      Json("{a: 1.2.3, b: 12:30, c: 1_000, d: 0xZZ, e: '', f: \"\", g: 0x, h: e5, i: ., j: -}"),
      R"({"a":"1.2.3","b":"12:30","c":"1_000","d":"0xZZ","e":"","f":"","g":"0x","h":"e5","i":".","j":"-"})");
}

TEST(JsonTest, KeepsOrderNestingAndAnyCharacter) {
  EXPECT_EQ(Json("{z: [1, [a, {}], []], a: {b: \"ä\\n\\\"\"}}"),
            "{\"z\":[1,[\"a\",{}],[]],\"a\":{\"b\":\"ä\\n\\\"\"}}");
}

TEST(JsonTest, HonoursTags) {
  EXPECT_EQ(Json("{a: !!str 5, b: !!int \"5\", c: !!float 1, d: !!bool true}"),
            R"({"a":"5","b":5,"c":1,"d":true})");
  EXPECT_THAT(Json("{a: !!int x}"), HasSubstr("config.a: \"x\" does not fit its tag"));
  EXPECT_THAT(Json("{a: !secret x}"), HasSubstr("config.a: unknown tag !secret"));
}

TEST(JsonTest, RefusesWhatJsonCannotSay) {
  EXPECT_THAT(Json("{a: .inf}"), HasSubstr("plugins[0].config.a: .inf has no form in JSON"));
  EXPECT_THAT(Json("{a: {b: 1, b: 2}}"), HasSubstr("plugins[0].config.a.b: duplicate key"));
  EXPECT_THAT(Json("[1]"), HasSubstr("plugins[0].config: needs a mapping, not a list"));
}

TEST(JsonTest, TakesWhatVariablesBringAsText) {
  EXPECT_EQ(
      Json("\n    a: ${N}\n    b: \"${N}\"\n    c: !!int ${N}\n    d: x-${N}", {{"N", "0123"}}),
      R"({"a":"0123","b":"0123","c":123,"d":"x-0123"})");
  EXPECT_EQ(Json("{a: \"${Q}\"}", {{"Q", "say \"hi\"\n"}}), R"({"a":"say \"hi\"\n"})");
}

TEST(JsonTest, FollowsAnchorsAndMergeKeys) {
  EXPECT_EQ(Json("{base: &b {x: 1, y: 2}, same: *b, more: {<<: *b, y: 3}}"),
            R"({"base":{"x":1,"y":2},"same":{"x":1,"y":2},"more":{"y":3,"x":1}})");
}

TEST(JsonTest, EndsOnAliasesThatHoldThemselves) {
  EXPECT_THAT(Json("&a {x: [*a]}"), HasSubstr("nested more than 64 deep"));
  EXPECT_THAT(Json("&a {x: 1, <<: *a}"), HasSubstr("merges more than 16"));
}

TEST(JsonTest, EndsOnAliasesThatMultiply) {
  std::string yaml = "{a0: &a0 [xxxxxxxxxx, xxxxxxxxxx]";
  for (int i = 1; i < 30; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    yaml += ", a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + ", " + before +
            "]";
  }
  EXPECT_THAT(Json(yaml + "}"), HasSubstr("makes more than 1 MiB of config"));
}

}  // namespace
}  // namespace outboard::config
