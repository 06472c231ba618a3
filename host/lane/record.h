#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/base/clock.h"
#include "host/bus/settlement.h"
#include "host/event/event.h"
#include "host/lane/options.h"

namespace outboard::lane {

// What there is to tell of an event with a lane that did not just go straight through: how turns
// of plugins ended, and the end of its stay. Only with DispatcherOptions::lineage.
struct Record {
  LaneId lane = 0;  // With an end the lane, else the hop.
  Event event;
  Time accepted_at{};  // By the bus.
  Time at{};
  std::vector<bus::Attempt> turns;   // Since the record before, oldest first.
  std::optional<bus::End> end = {};  // As in the settlement; nothing: the lane has it still.
  uint32_t attempts = 0;             // Counted so far.
  Time due{};                        // kRetry.
  std::string reason = {};           // kDead; kDropped: the stage, empty: the type is not taken.
  std::string message = {};          // kDead.
  std::vector<Event> emits = {};     // kDone; the first kMaxRecordedEmits.
  size_t emitted = 0;                // All of them.
  std::optional<bus::Placed> placed = {};  // kDone.
};
inline constexpr size_t kMaxRecordedEmits = 100;

}  // namespace outboard::lane
