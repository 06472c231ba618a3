#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/route/filter.h"

namespace outboard::route {

// Finds all lanes that take an event in one walk, however many lanes there are; results of recent
// (source, type) pairs are remembered, up to a bound. Not thread-safe: one per thread.
class TopicTrie {
 public:
  TopicTrie();
  ~TopicTrie();
  TopicTrie(TopicTrie&&) noexcept;
  TopicTrie& operator=(TopicTrie&&) noexcept;

  // Adds a lane under a number of the caller's choice. Patterns must be valid. A number that is
  // there gets the new filter.
  void Add(uint32_t lane, const Filter& filter);
  void Remove(uint32_t lane);

  // Numbers of the lanes that take it, ascending, each once. Valid until the next call on this
  // trie.
  const std::vector<uint32_t>& Match(absl::string_view source, absl::string_view type);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::route
