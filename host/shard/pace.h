#pragma once

#include <cstdint>
#include <optional>

#include "host/base/clock.h"

namespace outboard::shard {

// How long a shard rests between two looks at its mail and its bus. A look costs about the same
// whatever it finds, and so does each frame, acknowledgement and wakeup that follows from it: under
// load what comes is gathered for a moment, at low rates nothing waits. Pure.
class Pace {
 public:
  // So few deliveries and settlements that another round at once is not worth it: under load there
  // are more in a moment.
  bool IsFew(uint64_t found) const;

  // A look ended that found so many deliveries and settlements.
  void Looked(uint64_t found, Time now);

  // From `now` to the next look; zero: at once when there is something. `left`: deliveries that are
  // still with the plugin that would be the first to run out of them while more is there for it;
  // nothing: no plugin waits for more.
  Duration Rest(std::optional<uint64_t> left, Time now) const;

 private:
  Time last_look_{};
  Time window_start_{};
  uint64_t found_ = 0;  // In this window.
  bool busy_ = false;   // By the window before.
};

}  // namespace outboard::shard
