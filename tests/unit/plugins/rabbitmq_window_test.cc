#include <gtest/gtest.h>

#include "plugins/producers/rabbitmq/window.h"

namespace outboard::rabbitmq {
namespace {

using Items = std::vector<size_t>;

Items Answered(Window& window, uint64_t tag, bool multiple) {
  Items items;
  for (const Window::Answered& one : window.Answer(tag, multiple)) items.push_back(one.item);
  return items;
}

Window Five() {
  Window window(1);
  for (size_t item = 0; item < 5; ++item) window.Add(item, 10, "", "");
  return window;
}

TEST(WindowTest, AnswersComeSinglyOrUpToATagAndEachOnce) {
  Window window = Five();
  EXPECT_EQ(Answered(window, 3, false), Items{2});
  EXPECT_EQ(Answered(window, 3, false), Items{});
  EXPECT_EQ(window.count(), 4u);
  EXPECT_EQ(window.bytes(), 40u);
  EXPECT_EQ(Answered(window, 4, true), (Items{0, 1, 3}));
  EXPECT_EQ(Answered(window, 2, true), Items{});
  window.Add(5, 10, "", "");
  EXPECT_EQ(Answered(window, 6, true), (Items{4, 5}));
  EXPECT_EQ(window.count(), 0u);
  EXPECT_EQ(window.bytes(), 0u);
}

TEST(WindowTest, ATagThatWasNeverSentAnswersNothing) {
  Window window = Five();
  EXPECT_EQ(Answered(window, 6, true), Items{});
  EXPECT_EQ(Answered(window, 0, false), Items{});
  EXPECT_EQ(Answered(window, 0, true), (Items{0, 1, 2, 3, 4})) << "0 is all so far";
}

TEST(WindowTest, TagsGoOnWhereTheChannelWas) {
  Window window(100);
  window.Add(0, 1, "", "");
  window.Add(1, 1, "", "");
  EXPECT_EQ(Answered(window, 1, true), Items{});
  EXPECT_EQ(Answered(window, 101, true), (Items{0, 1}));
}

TEST(WindowTest, AReturnMarksTheFirstOneOfThatName) {
  Window window(1);
  window.Add(0, 1, "a", "s");
  window.Add(1, 1, "a", "t");
  window.Add(2, 1, "a", "t");
  window.MarkReturned("a", "t");
  window.MarkReturned("b", "t");
  const std::vector<Window::Answered> answered = window.Answer(3, true);
  ASSERT_EQ(answered.size(), 3u);
  EXPECT_FALSE(answered[0].returned);
  EXPECT_TRUE(answered[1].returned);
  EXPECT_FALSE(answered[2].returned);
}

}  // namespace
}  // namespace outboard::rabbitmq
