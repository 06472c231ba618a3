#include <gtest/gtest.h>

#include "host/bus/embedded/filter_text.h"
#include "host/bus/embedded/matcher.h"

namespace outboard::bus {
namespace {

using Offsets = std::vector<uint64_t>;
using Numbers = std::vector<uint32_t>;

TEST(FilterTextTest, OffsetsAreRangesThatPeopleCanRead) {
  EXPECT_EQ(OffsetsToText({}), "");
  EXPECT_EQ(OffsetsToText({12, 15, 16, 17, 20}), "12,15-17,20");
  for (const Offsets& offsets : {Offsets{}, Offsets{1}, Offsets{1, 2}, Offsets{3, 5, 6, 9},
                                 Offsets{1, UINT64_MAX - 1, UINT64_MAX}}) {
    const auto back = OffsetsFromText(OffsetsToText(offsets));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, offsets);
  }
}

TEST(FilterTextTest, RefusesWhatIsNoSetOfOffsets) {
  for (const char* text : {"x", "1,", "5-3", "3,2", "1-99999999999", "-", "1-2-3", "4,4"}) {
    EXPECT_EQ(OffsetsFromText(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST(FilterTextTest, FiltersAreJson) {
  const std::vector<route::Filter> filters = {{"storyboard", {"story.#", "task.*"}}, {"", {}}};
  EXPECT_EQ(FiltersToText(filters),
            R"([{"service":"storyboard","types":["story.#","task.*"]},{"service":"","types":[]}])");
  const auto back = FiltersFromText(FiltersToText(filters));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, filters);
}

TEST(FilterTextTest, RefusesWhatAreNoFilters) {
  for (const char* text :
       {"", "{}", "[1]", R"([{"service":1,"types":[]}])", R"([{"service":"","types":[1]}])",
        R"([{"service":"","types":["a*b"]}])", R"([{"service":""}])"}) {
    EXPECT_EQ(FiltersFromText(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST(MatcherTest, AQueueTakesWhatAnyOfItsFiltersTakes) {
  Matcher matcher;
  matcher.Set(0, {{"", {"story.#"}}, {"other", {}}, {"third", {"x"}}});
  matcher.Set(1, {{"other", {"story.post"}}});
  matcher.Set(2, {});
  EXPECT_EQ(matcher.Match("s", "story.post"), (Numbers{0}));
  EXPECT_EQ(matcher.Match("other", "story.post"), (Numbers{0, 1}));
  EXPECT_EQ(matcher.Match("third", "x"), (Numbers{0}));
  EXPECT_EQ(matcher.Match("third", "y"), (Numbers{}));
  matcher.Set(0, {{"", {"y"}}});
  EXPECT_EQ(matcher.Match("third", "x"), (Numbers{}));
  EXPECT_EQ(matcher.Match("third", "y"), (Numbers{0}));
  matcher.Remove(0);
  EXPECT_EQ(matcher.Match("third", "y"), (Numbers{}));
  EXPECT_EQ(matcher.Match("other", "story.post"), (Numbers{1}));
}

}  // namespace
}  // namespace outboard::bus
