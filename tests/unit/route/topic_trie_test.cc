#include "host/route/topic_trie.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace outboard::route {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(TopicTrieTest, FindsLanesOnceAndAscending) {
  TopicTrie trie;
  trie.Add(7, {"tracker", {"story.#", "story.*", "#"}});
  trie.Add(3, {"", {"story.created"}});
  trie.Add(5, {"other", {}});
  trie.Add(9, {});
  EXPECT_THAT(trie.Match("tracker", "story.created"), ElementsAre(3, 7, 9));
  EXPECT_THAT(trie.Match("other", "story.created"), ElementsAre(3, 5, 9));
  EXPECT_THAT(trie.Match("nobody", "x"), ElementsAre(9));
}

TEST(TopicTrieTest, AnEmptyTrieMatchesNothing) {
  TopicTrie trie;
  EXPECT_THAT(trie.Match("s", "t"), IsEmpty());
}

TEST(TopicTrieTest, ChangesShowAtOnceThoughResultsAreRemembered) {
  TopicTrie trie;
  trie.Add(1, {"s", {"a"}});
  EXPECT_THAT(trie.Match("s", "a"), ElementsAre(1));
  trie.Add(2, {"s", {"*"}});
  EXPECT_THAT(trie.Match("s", "a"), ElementsAre(1, 2));
  trie.Remove(1);
  EXPECT_THAT(trie.Match("s", "a"), ElementsAre(2));
  trie.Remove(1);
  trie.Remove(2);
  EXPECT_THAT(trie.Match("s", "a"), IsEmpty());
  trie.Add(2, {"s", {"a"}});
  EXPECT_THAT(trie.Match("s", "a"), ElementsAre(2));
}

TEST(TopicTrieTest, AddingALaneAgainReplacesItsFilter) {
  TopicTrie trie;
  trie.Add(1, {"s", {"a"}});
  trie.Add(1, {"s", {"b"}});
  EXPECT_THAT(trie.Match("s", "a"), IsEmpty());
  EXPECT_THAT(trie.Match("s", "b"), ElementsAre(1));
}

TEST(TopicTrieTest, MovesWithItsLanes) {
  TopicTrie first;
  first.Add(1, {});
  TopicTrie second(std::move(first));
  EXPECT_THAT(second.Match("s", "t"), ElementsAre(1));
}

TEST(TopicTrieTest, SourceAndTypeAreNotMixedUp) {
  TopicTrie trie;
  trie.Add(1, {"ab", {"c"}});
  trie.Add(2, {"a", {"bc"}});
  EXPECT_THAT(trie.Match("ab", "c"), ElementsAre(1));
  EXPECT_THAT(trie.Match("a", "bc"), ElementsAre(2));
  EXPECT_THAT(trie.Match("", "abc"), IsEmpty());
}

TEST(TopicTrieTest, StaysRightBeyondWhatItRemembers) {
  TopicTrie trie;
  trie.Add(1, {"s", {"even.*"}});
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 20'000; ++i) {
      const std::string type = (i % 2 == 0 ? "even." : "odd.") + std::to_string(i);
      ASSERT_EQ(trie.Match("s", type).size(), i % 2 == 0 ? 1u : 0u) << type;
    }
  }
  EXPECT_THAT(trie.Match("s", "even." + std::string(100'000, 'x')), ElementsAre(1));
  EXPECT_THAT(trie.Match("s", "odd." + std::string(100'000, 'x')), IsEmpty());
}

TEST(TopicTrieTest, ManyHashesCostNoExponentialTime) {
  TopicTrie trie;
  std::string pattern, type;
  for (int i = 0; i < 100; ++i) pattern += "#.a.";
  for (int i = 0; i < 1000; ++i) type += "a.";
  trie.Add(1, {"", {pattern + "b"}});
  EXPECT_THAT(trie.Match("s", type + "c"), IsEmpty());
  EXPECT_THAT(trie.Match("s", type + "b"), ElementsAre(1));
}

// Random lanes and events over few words, so that they meet often.
class RandomRoutes {
 public:
  explicit RandomRoutes(uint32_t seed) : random_(seed) {}

  size_t Below(size_t n) { return random_() % n; }

  std::string Source() { return Pick({"", "s", "t"}); }
  std::string Topic(bool wildcards) {
    std::string out;
    const size_t words = 1 + Below(5);
    for (size_t i = 0; i < words; ++i) {
      if (i > 0) out += '.';
      out += wildcards ? Pick({"a", "b", "", "*", "#", "#"}) : Pick({"a", "b", ""});
    }
    return out;
  }
  Filter NewFilter() {
    Filter filter{Source(), {}};
    for (size_t n = Below(4); n > 0; --n) filter.types.push_back(Topic(true));
    return filter;
  }

 private:
  std::string Pick(std::vector<std::string> of) { return of[Below(of.size())]; }

  std::mt19937 random_;
};

TEST(TopicTrieTest, AgreesWithMatchesOnRandomRoutes) {
  size_t hits = 0, misses = 0;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    RandomRoutes random(seed);
    std::map<uint32_t, Filter> lanes;
    TopicTrie trie;
    for (int step = 0; step < 150; ++step) {
      const uint32_t lane = random.Below(12);
      if (const size_t what = random.Below(10); what == 0) {
        lanes[lane] = random.NewFilter();
        trie.Add(lane, lanes[lane]);
      } else if (what == 1 && step % 3 == 0) {
        lanes.erase(lane);
        trie.Remove(lane);
      } else {
        const std::string source = random.Source(), type = random.Topic(false);
        std::vector<uint32_t> expected;
        for (const auto& [number, filter] : lanes) {
          if (Matches(filter, source, type)) expected.push_back(number);
        }
        ASSERT_EQ(trie.Match(source, type), expected)
            << "seed " << seed << " step " << step << " " << type;
        hits += expected.size();
        misses += lanes.size() - expected.size();
      }
    }
  }
  EXPECT_GT(hits, 1000u);
  EXPECT_GT(misses, 1000u);
}

// The definition, word by word: what TopicMatches must say by whatever means.
bool DefinedMatch(const std::vector<std::string>& p, size_t i, const std::vector<std::string>& t,
                  size_t j) {
  if (i == p.size()) return j == t.size();
  if (p[i] == "#")
    return DefinedMatch(p, i + 1, t, j) || (j < t.size() && DefinedMatch(p, i, t, j + 1));
  return j < t.size() && (p[i] == "*" || p[i] == t[j]) && DefinedMatch(p, i + 1, t, j + 1);
}

std::vector<std::string> Words(const std::string& topic) {
  std::vector<std::string> out(1);
  for (const char c : topic) {
    if (c == '.') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return topic.empty() ? std::vector<std::string>() : out;
}

TEST(TopicMatchesTest, AgreesWithItsDefinitionOnRandomTopics) {
  RandomRoutes random(1);
  for (int i = 0; i < 100'000; ++i) {
    const std::string pattern = random.Topic(true), type = random.Topic(false);
    ASSERT_EQ(TopicMatches(pattern, type), DefinedMatch(Words(pattern), 0, Words(type), 0))
        << pattern << " " << type;
  }
}

}  // namespace
}  // namespace outboard::route
