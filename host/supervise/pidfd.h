#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "host/supervise/fd.h"

namespace outboard::supervise {

// A descriptor of one process, which no later process of the same number can take over. By system
// call: glibc 2.36 declares its functions for C only.
inline Fd PidfdOpen(pid_t pid) { return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); }

inline bool PidfdSignal(const Fd& process, int signal) {
  return syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0) == 0;
}

}  // namespace outboard::supervise
