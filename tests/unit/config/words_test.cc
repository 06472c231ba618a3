#include "host/config/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(WordsTest, CutsAtBlanks) {
  EXPECT_THAT(*SplitWords("python  main.py\t--port 1"),
              ElementsAre("python", "main.py", "--port", "1"));
  EXPECT_THAT(*SplitWords("  "), IsEmpty());
}

TEST(WordsTest, KeepsQuotedTextTogether) {
  EXPECT_THAT(*SplitWords(R"(a 'b c' "d \" e" f\ g "" pre'fix'ed)"),
              ElementsAre("a", "b c", "d \" e", "f g", "", "prefixed"));
}

TEST(WordsTest, RefusesAnOpenQuote) {
  EXPECT_THAT(std::string(SplitWords("a 'b").status().message()), HasSubstr("not closed"));
}

TEST(WordsTest, RefusesWhatOnlyAShellKnows) {
  for (const char* line : {"a | b", "a && b", "a > log", "a 2>&1"}) {
    EXPECT_THAT(std::string(SplitWords(line).status().message()), HasSubstr("shell")) << line;
  }
  EXPECT_THAT(*SplitWords("grep '|'"), ElementsAre("grep", "|"));
}

}  // namespace
}  // namespace outboard::config
