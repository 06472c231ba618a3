#pragma once

namespace outboard::supervise {

// By seccomp, for this process and its children for good. 0 or errno; ENOSYS also where the
// machine's architecture is none that we know. Libc only.

// What no plugin needs and attacks on the kernel begin with fails with EPERM: debugging others,
// mounts, namespaces, BPF, modules, clocks, keys, io_uring, ...
int ForbidSyscalls();

// Sockets of all families but AF_UNIX fail with EAFNOSUPPORT.
int ForbidOtherSockets();

}  // namespace outboard::supervise
