#include "host/base/grouped_line.h"

#include <utility>

namespace outboard {

uint64_t GroupedLine::Take(Time now) {
  if (pending_ == 0 || now < next_) return 0;
  next_ = now + every_;
  return std::exchange(pending_, 0);
}

}  // namespace outboard
