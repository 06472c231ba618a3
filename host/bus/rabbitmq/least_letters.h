#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "host/bus/bus.h"

namespace outboard::bus::rabbitmq {

// Of letters that come in any order, those of the least ids, so many at most. Pure.
class LeastLetters {
 public:
  explicit LeastLetters(size_t limit) : limit_(limit) {}

  // Whether a letter of this id would be kept.
  bool Wants(uint64_t id) const {
    return kept_.size() < limit_ || (limit_ > 0 && id < kept_.front().id);
  }
  void Add(DeadLetter letter) {
    if (!Wants(letter.id)) return;
    if (kept_.size() == limit_) {
      std::pop_heap(kept_.begin(), kept_.end(), Less);
      kept_.pop_back();
    }
    kept_.push_back(std::move(letter));
    std::push_heap(kept_.begin(), kept_.end(), Less);
  }
  size_t size() const { return kept_.size(); }
  // Rising; nothing is kept afterwards.
  std::vector<DeadLetter> Take() {
    std::sort_heap(kept_.begin(), kept_.end(), Less);
    return std::exchange(kept_, {});
  }

 private:
  static bool Less(const DeadLetter& a, const DeadLetter& b) { return a.id < b.id; }

  const size_t limit_;
  std::vector<DeadLetter> kept_;  // A heap: the greatest id is in front.
};

}  // namespace outboard::bus::rabbitmq
