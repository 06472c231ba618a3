#pragma once

#include <string>

#include "host/supervise/launch_record.h"

namespace outboard::supervise {

// True if `id` is a living process of this boot and namespace.
bool IsAlive(const LaunchRecord& record, const ProcessId& id);

// Ends every process that `record` tells of and that still runs, checked by start time before any
// signal: their launchers, told by their pipes, get 2.5 s to do it, then SIGKILL to all. Blocks for
// at most about 5 s. Returns for people what it did; empty if nothing was left.
std::string EndPredecessor(const LaunchRecord& record);

}  // namespace outboard::supervise
