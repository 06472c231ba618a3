#pragma once

#include <cstdint>

#include "host/base/clock.h"

namespace outboard {

// How often a line that may repeat thousands of times a second is written: the first at once, then
// one for each `every`, with the count of all that came since the one before. One thread.
class GroupedLine {
 public:
  explicit GroupedLine(Duration every = std::chrono::seconds(1)) : every_(every) {}

  // It happened `count` times more.
  void Add(uint64_t count) { pending_ += count; }
  // How many times it happened since the last line, if a line is to be written now; else 0.
  uint64_t Take(Time now);
  // When Take gives something by itself; kNever: not before the next Add.
  Time due() const { return pending_ == 0 ? kNever : next_; }

 private:
  const Duration every_;
  uint64_t pending_ = 0;
  Time next_ = Time::min();
};

}  // namespace outboard
