#pragma once

#include "absl/status/statusor.h"
#include "host/bus/bus.h"
#include "host/bus/dead_group.h"
#include "outboard/host/v1/admin.pb.h"

namespace outboard::admin {

// INVALID_ARGUMENT: the type is no pattern.
absl::StatusOr<bus::DeadFilter> ToFilter(const host::v1::DeadFilter& in);

// `whole`: as GetDead gives it.
void ToProto(const bus::DeadLetter& in, bool whole, host::v1::DeadLetter* out);
void ToProto(const bus::DeadGroup& in, host::v1::DeadGroup* out);

}  // namespace outboard::admin
