#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "host/base/mutex.h"

namespace outboard::ingress {

// Keeps the requests of one publisher in order on their way to the bus, however long each is
// screened. Any thread.
class Order {
 public:
  // The next place in it.
  uint64_t Enter() OUTBOARD_EXCLUDES(mu_);
  // Calls `go` once those of all places before this one were called, one after another, now or by
  // whoever is before it. Each place goes once.
  void Go(uint64_t place, std::function<void()> go) OUTBOARD_EXCLUDES(mu_);

 private:
  Mutex mu_;
  uint64_t first_ OUTBOARD_GUARDED_BY(mu_) = 0;                      // Of `open_`.
  std::deque<std::function<void()>> open_ OUTBOARD_GUARDED_BY(mu_);  // Empty: not there yet.
  bool going_ OUTBOARD_GUARDED_BY(mu_) = false;
};

}  // namespace outboard::ingress
