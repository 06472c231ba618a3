#include "host/admin/long_pause.h"

#include <algorithm>

namespace outboard::admin {

Duration PauseWithEventsWaiting(const LaneSnapshot& lane, Time now) {
  if (!lane.lane.paused_since || !lane.bus.oldest) return Duration(0);
  // What a plugin still holds, or what waits for its retry, does not wait for a window.
  if (lane.bus.backlog <= lane.lane.stats.in_flight + lane.bus.retrying) return Duration(0);
  const Time since = std::max(*lane.lane.paused_since, *lane.bus.oldest);
  return std::max(now - since, Duration(0));
}

void MarkLongPauses(Snapshot* snapshot) {
  for (LaneSnapshot& lane : snapshot->lanes) {
    if (PauseWithEventsWaiting(lane, snapshot->now) >= kLongPause) lane.lane.state = kPausedTooLong;
  }
}

}  // namespace outboard::admin
