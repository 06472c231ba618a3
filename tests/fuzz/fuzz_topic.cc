// Lines of patterns, the last line a type: TopicTrie finds just the lanes whose pattern
// TopicMatches takes.
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/route/topic_trie.h"
#include "tests/fuzz/fuzz.h"

namespace outboard::fuzz {
namespace {

using route::Filter;
using Lanes = std::vector<Filter>;

// Every third lane is of another service, every fifth of any.
Lanes LanesOf(const std::vector<absl::string_view>& lines) {
  Lanes lanes;
  for (size_t i = 0; i + 1 < lines.size(); ++i) {
    if (!route::ValidatePattern(lines[i]).ok()) continue;
    lanes.push_back({i % 5 == 0 ? "" : i % 3 == 0 ? "t" : "s", {std::string(lines[i])}});
  }
  return lanes;
}

std::string Compare(route::TopicTrie* trie, const Lanes& lanes, size_t first,
                    absl::string_view type) {
  std::vector<uint32_t> expected;
  for (size_t i = first; i < lanes.size(); ++i) {
    if (route::Matches(lanes[i], "s", type)) expected.push_back(static_cast<uint32_t>(i));
  }
  if (trie->Match("s", type) == expected) return "";
  return absl::StrCat("the index finds ", trie->Match("s", type).size(), " lanes, not ",
                      expected.size());
}

}  // namespace
}  // namespace outboard::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outboard::fuzz;  // NOLINT: the entry point has no namespace.
  const absl::string_view input = AsText(data, size);
  const std::vector<absl::string_view> lines = absl::StrSplit(input, '\n');
  if (lines.empty()) return 0;  // No bytes at all.
  const Lanes lanes = LanesOf(lines);
  outboard::route::TopicTrie trie;
  for (size_t i = 0; i < lanes.size(); ++i) trie.Add(static_cast<uint32_t>(i), lanes[i]);
  Expect(Compare(&trie, lanes, 0, lines.back()), input);
  Expect(Compare(&trie, lanes, 0, lines.back()), input);  // As remembered.
  trie.Remove(0);
  Expect(Compare(&trie, lanes, 1, lines.back()), input);
  return 0;
}
