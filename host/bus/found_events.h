#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/base/clock.h"
#include "host/bus/settlement.h"
#include "host/event/event.h"

// Events that are read again.
namespace outboard::bus {

struct LoggedEvent {
  uint64_t offset = 0;
  Time accepted_at{};
  Event event;
  // Where producers have put it by now, by lane.
  std::map<std::string, Placed> placed = {};
};

// How a queue stands to an event that it takes.
struct Standing {
  enum class Where {
    kWaiting,  // Has not ended: not handed out, or handed out and not settled.
    kHeld,     // As well, in a place of its own: `attempts` and, for a retry, `due` are known.
    kEnded,    // Done, dropped, or a dead letter.
    kUnkept,   // The queue is not reliable: with a plugin, ended, or never handed out.
  };
  std::vector<std::string> lanes;  // That share the queue; declared ones first.
  Where where = Where::kWaiting;
  uint32_t attempts = 0;
  std::optional<Time> due = std::nullopt;
  // It waits behind a dead letter of its key, such as subject=story/1: `letter` is the oldest one.
  std::string key;
  uint64_t letter = 0;
};

// Events by id.
struct FoundEvents {
  struct One {
    LoggedEvent logged;  // offset 0: it is not in the log any more.
    std::vector<Standing> standings;
  };
  bool has_log = false;        // Else there is nothing to search.
  uint64_t searched = 0;       // Events.
  std::optional<Time> oldest;  // When the first of these was accepted.
  std::vector<One> found;      // In the order of the log.
};

}  // namespace outboard::bus
