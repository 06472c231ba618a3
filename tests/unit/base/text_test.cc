#include "host/base/text.h"

#include <gtest/gtest.h>

#include <string>

namespace outboard {
namespace {

TEST(IsValidUtf8Test, AcceptsWellFormedText) {
  for (const char* text :
       {"", "a", "plain ASCII, longer than eight bytes", "é", "\u20AC", "\xF0\x9F\x98\x80",
        "12345678\xC3\xA9", "\xEF\xBF\xBF", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"}) {
    EXPECT_TRUE(IsValidUtf8(text)) << text;
  }
}

TEST(IsValidUtf8Test, RefusesBrokenText) {
  const char* const broken[] = {
      "\x80",              // a continuation byte alone
      "\xC3",              // cut after the first byte
      "\xE2\x82",          // cut in the middle
      "\xF0\x9F\x98",      // cut before the last byte
      "\xC0\x80",          // overlong NUL
      "\xC1\xBF",          // overlong, two bytes
      "\xE0\x9F\xBF",      // overlong, three bytes
      "\xF0\x8F\xBF\xBF",  // overlong, four bytes
      "\xED\xA0\x80",      // a surrogate
      "\xF4\x90\x80\x80",  // above U+10FFFF
      "\xF5\x80\x80\x80",  // no such first byte
      "\xFF",
      "12345678\xFF",     // after a word of ASCII
      "1234567\xFF\x39",  // inside a word
      "\xC3(",
      "\xE2(\xA1",
      "\xF0\x9F(\x80",
  };
  for (const char* text : broken) EXPECT_FALSE(IsValidUtf8(text)) << EscapeForPeople(text);
}

TEST(IsValidUtf8Test, TakesANulAsText) { EXPECT_TRUE(IsValidUtf8(absl::string_view("a\0b", 3))); }

TEST(EscapeForPeopleTest, KeepsReadableTextAndTabs) {
  EXPECT_EQ(EscapeForPeople("grüße\tan \"alle\" \\"), "grüße\tan \"alle\" \\");
}

TEST(EscapeForPeopleTest, ShowsControlsAndBrokenBytesAsHex) {
  EXPECT_EQ(EscapeForPeople("a\nb\x1B[0m\x7F"), "a\\x0Ab\\x1B[0m\\x7F");
  EXPECT_EQ(EscapeForPeople("\xC3(\xFF\xE2\x82"), "\\xC3(\\xFF\\xE2\\x82");
  EXPECT_EQ(EscapeForPeople(absl::string_view("\0", 1)), "\\x00");
}

TEST(TruncateTest, KeepsWhatFits) {
  EXPECT_EQ(Truncate("abc", 3), "abc");
  EXPECT_EQ(Truncate("", 0), "");
}

TEST(TruncateTest, MarksTheCut) { EXPECT_EQ(Truncate("abcdefgh", 6), "abc…"); }

TEST(TruncateTest, NeverSplitsACharacter) {
  EXPECT_EQ(Truncate("aéééé", 6), "aé…");
  EXPECT_EQ(Truncate("aéééé", 7), "aé…");
  EXPECT_EQ(Truncate("aéééé", 8), "aéé…");
}

TEST(TruncateTest, NeverExceedsTheLimit) {
  const std::string text = "añ€\xF0\x9F\x98\x80 and so on";
  for (size_t limit = 0; limit <= text.size(); ++limit) {
    const std::string cut = Truncate(text, limit);
    EXPECT_LE(cut.size(), limit);
    EXPECT_TRUE(IsValidUtf8(cut)) << "limit " << limit;
  }
}

TEST(NearestTest, FindsATypingError) {
  EXPECT_EQ(Nearest("instnces", {"name", "instances", "config"}), "instances");
  EXPECT_EQ(Nearest("retyr", {"retry", "route"}), "retry");
}

TEST(NearestTest, IsEmptyWhereNothingIsNear) {
  EXPECT_EQ(Nearest("zebra", {"name", "instances"}), "");
  EXPECT_EQ(Nearest("name", {}), "");
}

TEST(NearestTest, TakesTheFirstOfEquallyNearOnes) {
  EXPECT_EQ(Nearest("abd", {"abc", "abe"}), "abc");
}

}  // namespace
}  // namespace outboard
