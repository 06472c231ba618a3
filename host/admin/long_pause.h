#pragma once

#include "host/admin/snapshot.h"

namespace outboard::admin {

// How long the lane has taken nothing because its component holds its window at 0, although events
// wait; zero: that is not so.
Duration PauseWithEventsWaiting(const LaneSnapshot& lane, Time now);

// Gives lanes whose pause reached kLongPause the state kPausedTooLong, so that status, readiness
// and metrics agree. Once for each snapshot, when all of it is known.
void MarkLongPauses(Snapshot* snapshot);

}  // namespace outboard::admin
