#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "host/supervise/fd.h"

namespace outboard::supervise {

// Takes the lock of a file, which is made where there is none; it is held until the descriptor is
// closed, and so by no process that ended. Waits up to a second: a host that was killed while it
// started a process holds its lock for a moment longer. On a file system without locks nobody is
// kept out. FAILED_PRECONDITION: another has it; PERMISSION_DENIED: it cannot be
// opened, for the reason that the system gives.
absl::StatusOr<Fd> TakeLock(const std::string& path);

}  // namespace outboard::supervise
