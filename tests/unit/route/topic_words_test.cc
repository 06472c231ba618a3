#include "host/route/topic_words.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace outboard::route {
namespace {

std::vector<std::string> WordsOf(absl::string_view topic) {
  std::vector<std::string> out;
  for (TopicWords words(topic); !words.done(); words.Next()) out.emplace_back(words.word());
  return out;
}

TEST(TopicWordsTest, CutsAtEveryDot) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(WordsOf(""), Words());
  EXPECT_EQ(WordsOf("a"), Words({"a"}));
  EXPECT_EQ(WordsOf("story.created"), Words({"story", "created"}));
  EXPECT_EQ(WordsOf("."), Words({"", ""}));
  EXPECT_EQ(WordsOf(".a..b."), Words({"", "a", "", "b", ""}));
}

}  // namespace
}  // namespace outboard::route
