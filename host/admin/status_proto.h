#pragma once

#include "host/admin/snapshot.h"
#include "outboard/host/v1/admin.pb.h"

namespace outboard::admin {

// What GetStatus answers. No text of it has a secret in it (RedactSecrets).
host::v1::GetStatusResponse ToStatus(const Snapshot& snapshot);

// One lane, as in ListLanes. `now`: of the snapshot, for the lag.
host::v1::LaneStatus ToLaneStatus(const LaneSnapshot& lane, Time now);

}  // namespace outboard::admin
