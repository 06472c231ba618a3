#include "host/dialect/json_pointer.h"

#include <gtest/gtest.h>

#include <string>

namespace outboard::dialect {
namespace {

// What the pointer finds; "-" for nothing.
std::string FoundIn(absl::string_view json, absl::string_view pointer) {
  const auto found = FindJson(json, pointer);
  return found ? std::string(*found) : "-";
}

TEST(JsonPointerTest, KnowsPointers) {
  for (const char* good : {"", "/", "/a", "/a/b/0", "/~0~1", "//", "/a b", "/oslo.message"}) {
    EXPECT_TRUE(IsJsonPointer(good)) << good;
  }
  for (const char* bad : {"a", "a/b", "#/a", "/~", "/~2", "/a~", "/~01~"}) {
    EXPECT_FALSE(IsJsonPointer(bad)) << bad;
  }
}

TEST(JsonPointerTest, FindsTheExamplesOfTheRfc) {
  const char json[] =
      R"({"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5,
          "k\"l": 6, " ": 7, "m~n": 8})";
  EXPECT_EQ(FoundIn(json, ""), json);
  EXPECT_EQ(FoundIn(json, "/foo"), R"(["bar", "baz"])");
  EXPECT_EQ(FoundIn(json, "/foo/0"), R"("bar")");
  EXPECT_EQ(FoundIn(json, "/"), "0");
  EXPECT_EQ(FoundIn(json, "/a~1b"), "1");
  EXPECT_EQ(FoundIn(json, "/c%d"), "2");
  EXPECT_EQ(FoundIn(json, "/e^f"), "3");
  EXPECT_EQ(FoundIn(json, "/g|h"), "4");
  EXPECT_EQ(FoundIn(json, "/i\\j"), "5");
  EXPECT_EQ(FoundIn(json, "/k\"l"), "6");
  EXPECT_EQ(FoundIn(json, "/ "), "7");
  EXPECT_EQ(FoundIn(json, "/m~0n"), "8");
}

TEST(JsonPointerTest, AnEscapedTildeIsNoEscape) {
  EXPECT_EQ(FoundIn(R"({"~1": 1, "/": 2})", "/~01"), "1");
}

TEST(JsonPointerTest, StepsOverWhatLooksLikeStructureInsideOfStrings) {
  const char json[] =
      "\n { \"x\" : [ \"]}\\\"\" , { \"y\" : \",\\\\\" } ] ,\t\"z\" : { \"w\":-1.5e3 } } \n";
  EXPECT_EQ(FoundIn(json, "/z/w"), "-1.5e3");
  EXPECT_EQ(FoundIn(json, "/x/1/y"), R"(",\\")");
  EXPECT_EQ(FoundIn(json, "/x/0"), R"("]}\"")");
  EXPECT_EQ(FoundIn(" 5 ", ""), "5");
}

TEST(JsonPointerTest, NamesAreComparedUnescaped) {
  EXPECT_EQ(FoundIn(R"({"\u00e9\/": true})", "/é~1"), "true");
}

TEST(JsonPointerTest, OfMembersOfOneNameTheLastCounts) {
  EXPECT_EQ(FoundIn(R"({"a": 1, "b": 2, "a": 3})", "/a"), "3");
}

TEST(JsonPointerTest, FindsNothingWhereNothingIs) {
  for (const char* pointer : {"/b", "/a/2", "/a/-", "/a/00", "/a/x", "/a/", "/a/+1", "/s/0", "/n/x",
                              "/e/0", "/o/x", "/a/99999999999999999999"}) {
    EXPECT_EQ(FoundIn(R"({"a": [1, 2], "s": "xyz", "n": null, "e": [ ], "o": { }})", pointer), "-")
        << pointer;
  }
  EXPECT_EQ(FoundIn("5", "/a"), "-");
}

TEST(JsonPointerTest, DepthCostsNoStack) {
  const size_t depth = 200'000;
  const std::string json = "[" + std::string(depth, '[') + std::string(depth, ']') + ",7]";
  EXPECT_EQ(FoundIn(json, "/1"), "7");
}

}  // namespace
}  // namespace outboard::dialect
