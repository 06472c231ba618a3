#include "plugins/common/config_reader.h"

#include <gtest/gtest.h>

namespace outboard::common {
namespace {

using std::chrono::milliseconds;

std::string OnlyError(ConfigReader& reader) {
  const std::vector<ConfigError> errors = reader.Finish();
  EXPECT_EQ(errors.size(), 1u);
  return errors.empty() ? "" : errors[0].path + ": " + errors[0].message;
}

TEST(ConfigReaderTest, ReadsEachKind) {
  ConfigReader reader(R"({"t": "x", "c": "b", "i": 7, "f": true, "d": "5m", "s": "64KiB", "n": 12,
                          "l": ["a", "b"], "one": "a", "m": {"k": 1, "b": false, "t": "v"}})");
  EXPECT_EQ(reader.RequiredText("t", "a text"), "x");
  EXPECT_EQ(reader.Choice("c", {"a", "b"}), "b");
  EXPECT_EQ(reader.Integer("i", 1, 9, 5), 7);
  EXPECT_TRUE(reader.Flag("f", false));
  EXPECT_EQ(reader.Duration("d", milliseconds(0), milliseconds(1)), milliseconds(300'000));
  EXPECT_EQ(reader.Size("s", 0, 1), 65536);
  EXPECT_EQ(reader.Size("n", 0, 1), 12);
  EXPECT_EQ(reader.Texts("l"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(reader.Texts("one"), std::vector<std::string>{"a"});
  const std::map<std::string, std::string> map = reader.Map("m");
  EXPECT_EQ(map, (std::map<std::string, std::string>{{"b", "false"}, {"k", "1"}, {"t", "v"}}));
  EXPECT_TRUE(reader.Has("t"));
  EXPECT_FALSE(reader.Has("u"));
  EXPECT_TRUE(reader.Finish().empty());
}

TEST(ConfigReaderTest, WhatIsAbsentHasItsDefault) {
  ConfigReader reader("{}");
  EXPECT_EQ(reader.Text("t", "x"), "x");
  EXPECT_EQ(reader.Choice("c", {"a", "b"}), "a");
  EXPECT_EQ(reader.Integer("i", 1, 9, 5), 5);
  EXPECT_TRUE(reader.Flag("f", true));
  EXPECT_EQ(reader.Duration("d", milliseconds(0), milliseconds(1)), milliseconds(1));
  EXPECT_TRUE(reader.Texts("l").empty());
  EXPECT_TRUE(reader.Finish().empty());
}

TEST(ConfigReaderTest, EachFaultSaysHowToMendIt) {
  ConfigReader absent("{}");
  absent.RequiredText("path", "the file");
  EXPECT_EQ(OnlyError(absent), "/path: is missing: give the file");
  ConfigReader empty(R"({"path": ""})");
  empty.RequiredText("path", "the file");
  EXPECT_EQ(OnlyError(empty), "/path: must be a text that is not empty: the file");
  ConfigReader choice(R"({"c": 1})");
  choice.Choice("c", {"a", "b", "c"});
  EXPECT_EQ(OnlyError(choice), "/c: must be a, b or c");
  ConfigReader integer(R"({"i": 10})");
  integer.Integer("i", 1, 9, 5);
  EXPECT_EQ(OnlyError(integer), "/i: must be a whole number from 1 to 9");
  ConfigReader unknown(R"({"b": 1, "x": 2})");
  unknown.Integer("b", 1, 9, 5);
  unknown.Flag("a", true);
  EXPECT_EQ(OnlyError(unknown), "/x: is not known here: the keys are a and b");
  ConfigReader map(R"({"m": {"k": []}})");
  map.Map("m");
  EXPECT_EQ(OnlyError(map), "/m/k: must be a text, a whole number, true or false");
}

TEST(ConfigReaderTest, TimesAndSizesNeedAUnitThatIsKnown) {
  for (const char* bad :
       {"\"5\"", "\"5 s\"", "\"s\"", "\"-5s\"", "5", "\"9223372036854775807d\""}) {
    ConfigReader reader(std::string("{\"d\": ") + bad + "}");
    EXPECT_EQ(reader.Duration("d", milliseconds(0), milliseconds(1)), milliseconds(1)) << bad;
    EXPECT_NE(OnlyError(reader).find("\"30s\""), std::string::npos) << bad;
  }
  ConfigReader small(R"({"d": "5ms", "s": "1KB"})");
  small.Duration("d", milliseconds(10), milliseconds(20));
  small.Size("s", 1, 1);
  EXPECT_EQ(small.Finish().size(), 2u);
}

TEST(ConfigReaderTest, WhatIsNoObjectIsTheOnlyFault) {
  ConfigReader broken("{");
  broken.RequiredText("path", "the file");
  EXPECT_EQ(OnlyError(broken).substr(0, 15), ": is not JSON: ");
  ConfigReader list("[]");
  list.RequiredText("path", "the file");
  EXPECT_EQ(OnlyError(list), ": must be an object, such as {\"key\": \"value\"}");
}

}  // namespace
}  // namespace outboard::common
