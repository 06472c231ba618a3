#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/route/topic_trie.h"

namespace outboard::bus {

// A TopicTrie for queues that have several filters each. One per thread.
class Matcher {
 public:
  // Replaces what the queue of this number took. Numbers are below kMaxNumber.
  void Set(uint32_t number, const std::vector<route::Filter>& filters);
  void Remove(uint32_t number);
  // Numbers of the queues that take it, ascending, each once. Valid until the next call.
  const std::vector<uint32_t>& Match(absl::string_view source, absl::string_view type) {
    const std::vector<uint32_t>& found = trie_.Match(source, type);
    return found.empty() || found.back() < kMaxNumber ? found : Merge(found);
  }

  static constexpr uint32_t kMaxNumber = 1u << 30;

 private:
  const std::vector<uint32_t>& Merge(const std::vector<uint32_t>& found);

  route::TopicTrie trie_;
  // The first filter of a queue has its number, the others one from kMaxNumber on.
  std::unordered_map<uint32_t, uint32_t> others_;
  uint32_t next_ = kMaxNumber;
  std::vector<uint32_t> merged_;
};

}  // namespace outboard::bus
