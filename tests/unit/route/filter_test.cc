#include "host/route/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::route {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(TopicMatchesTest, ComparesWordsExactly) {
  EXPECT_TRUE(TopicMatches("story.created", "story.created"));
  EXPECT_FALSE(TopicMatches("story.created", "story.create"));
  EXPECT_FALSE(TopicMatches("story.created", "story"));
  EXPECT_FALSE(TopicMatches("story", "story.created"));
  EXPECT_FALSE(TopicMatches("story.created", "Story.created"));
}

TEST(TopicMatchesTest, AStarIsOneWord) {
  EXPECT_TRUE(TopicMatches("story.*", "story.created"));
  EXPECT_TRUE(TopicMatches("*", "story"));
  EXPECT_TRUE(TopicMatches("*.*", "."));
  EXPECT_FALSE(TopicMatches("story.*", "story"));
  EXPECT_FALSE(TopicMatches("story.*", "story.a.b"));
  EXPECT_FALSE(TopicMatches("*", "a.b"));
}

TEST(TopicMatchesTest, AHashIsAnyNumberOfWords) {
  for (const char* type : {"story", "story.a", "story.a.b.c"})
    EXPECT_TRUE(TopicMatches("story.#", type)) << type;
  EXPECT_FALSE(TopicMatches("story.#", "stories.a"));
  for (const char* type : {"a", "a.b", ""}) EXPECT_TRUE(TopicMatches("#", type)) << type;
  EXPECT_TRUE(TopicMatches("#.end", "end"));
  EXPECT_TRUE(TopicMatches("#.end", "a.end.b.end"));
  EXPECT_FALSE(TopicMatches("#.end", "a.end.b"));
  EXPECT_TRUE(TopicMatches("a.#.b.#.c", "a.b.c"));
  EXPECT_TRUE(TopicMatches("a.#.b.#.c", "a.x.b.b.y.c"));
  EXPECT_FALSE(TopicMatches("a.#.b.#.c", "a.x.c"));
  EXPECT_TRUE(TopicMatches("#.*", "a"));
  EXPECT_TRUE(TopicMatches("*.#.*", "a.b"));
  EXPECT_FALSE(TopicMatches("*.#.*", "a"));
  EXPECT_TRUE(TopicMatches("#.#", "a"));
}

TEST(TopicMatchesTest, ManyHashesCostNoExponentialTime) {
  std::string pattern, type;
  for (int i = 0; i < 300; ++i) pattern += "#.a.";
  for (int i = 0; i < 3000; ++i) type += "a.";
  EXPECT_FALSE(TopicMatches(pattern + "b", type + "c"));
  EXPECT_TRUE(TopicMatches(pattern + "#.b", type + "b"));
}

TEST(ValidatePatternTest, WildcardsStandAlone) {
  for (const char* good : {"#", "*", "story.*", "#.story.#", "a..b", "größe.x"}) {
    EXPECT_TRUE(ValidatePattern(good).ok()) << good;
  }
  for (const char* bad : {"story*", "a.b#", "**", "##", "a.*x.b", "#*"}) {
    const absl::Status status = ValidatePattern(bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(bad), HasSubstr("alone")));
  }
  EXPECT_THAT(std::string(ValidatePattern("").message()), HasSubstr("write #"));
}

TEST(MatchesTest, AsksForServiceAndOneOfTheTypes) {
  EXPECT_TRUE(Matches({}, "any", "thing"));
  EXPECT_TRUE(Matches({"tracker", {}}, "tracker", "x"));
  EXPECT_FALSE(Matches({"tracker", {}}, "tracker2", "x"));
  const Filter filter{"tracker", {"story.*", "task.#"}};
  EXPECT_TRUE(Matches(filter, "tracker", "story.created"));
  EXPECT_TRUE(Matches(filter, "tracker", "task"));
  EXPECT_FALSE(Matches(filter, "tracker", "story"));
  EXPECT_FALSE(Matches(filter, "other", "task"));
  EXPECT_TRUE(Matches({"", {"task"}}, "other", "task"));
}

}  // namespace
}  // namespace outboard::route
