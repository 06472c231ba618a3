#pragma once

#include <cstdint>

namespace outboard::metrics {

// What this process uses; 0 where the system does not say.
struct ProcessUse {
  double cpu_seconds = 0;  // User and system.
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t open_fds = 0;
  uint64_t max_fds = 0;  // The soft limit.
};

// Reads /proc; tens of microseconds.
ProcessUse ReadProcessUse();

}  // namespace outboard::metrics
