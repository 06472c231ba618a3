#pragma once

#include <cstdint>
#include <string>

#include "host/base/clock.h"
#include "host/event/event.h"

namespace outboard::lane {

// An event that ended processes which handled nothing else. Outlives the host, which tells its next
// life: whatever becomes of host and plugin, so many ends need not come again.
struct KnownSuspect {
  // The event on a hop, the same in every life of the host.
  static uint64_t NameOf(const std::string& lane, const std::string& component, const Event& event);

  uint64_t name = 0;
  Time at{};  // Of its last end.
  uint32_t ends = 0;
  uint64_t lost_with = 0;   // In flight when it was first lost.
  std::string version;      // Of the plugin, at these ends.
  uint64_t generation = 0;  // The same; not known to a next life of the host, which begins at 0.

  friend bool operator==(const KnownSuspect&, const KnownSuspect&) = default;
};

}  // namespace outboard::lane
