#include "host/bus/embedded/matcher.h"

#include <algorithm>

namespace outboard::bus {

void Matcher::Set(uint32_t number, const std::vector<route::Filter>& filters) {
  Remove(number);
  for (size_t i = 0; i < filters.size(); ++i) {
    if (i == 0) {
      trie_.Add(number, filters[i]);
    } else {
      others_[next_] = number;
      trie_.Add(next_++, filters[i]);
    }
  }
}

void Matcher::Remove(uint32_t number) {
  trie_.Remove(number);
  std::erase_if(others_, [&](const auto& other) {
    if (other.second != number) return false;
    trie_.Remove(other.first);
    return true;
  });
}

const std::vector<uint32_t>& Matcher::Merge(const std::vector<uint32_t>& found) {
  merged_.clear();
  for (const uint32_t number : found) {
    merged_.push_back(number < kMaxNumber ? number : others_.at(number));
  }
  std::sort(merged_.begin(), merged_.end());
  merged_.erase(std::unique(merged_.begin(), merged_.end()), merged_.end());
  return merged_;
}

}  // namespace outboard::bus
