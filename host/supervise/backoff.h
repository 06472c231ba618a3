#pragma once

#include <cstdint>
#include <functional>

#include "host/base/clock.h"

namespace outboard::supervise {

// When the next process of an instance may start. Doubles from `initial` to `max` with each end,
// less up to a quarter of it at random, so that instances that fell together do not rise together.
// Pure, one thread.
class RestartBackoff {
 public:
  // `random` gives a number in [0, 1) at each call.
  RestartBackoff(Duration initial, Duration max, std::function<double()> random);

  void OnStarted(Time now) { started_ = now; }
  // It did what it is for: the next delay is `initial` again.
  void OnHealthy() { ends_ = 0; }
  // The time of the next start. Also starts over if the process ran for twice `max`: one that idles
  // for long between ends is no loop. Never earlier than three quarters of `initial` from now.
  Time OnEnded(Time now);
  // The earliest start after an end that was asked for: two starts are `initial` apart.
  Time EarliestStart(Time now) const;

 private:
  Duration initial_;
  Duration max_;
  std::function<double()> random_;
  Time started_{};
  uint32_t ends_ = 0;
};

}  // namespace outboard::supervise
