#pragma once

#include "host/supervise/launcher_options.h"
#include "host/supervise/launcher_sandbox.h"

namespace outboard::supervise {

// In a mount namespace of the child's own: all read-only, /tmp, /var/tmp and /dev/shm private, and
// what the options say of single paths. Libc only. Says that it cannot before it has changed
// anything; a failure after that ends the child.
void MakeView(const LauncherOptions& options, const ChildNotes& notes);

// Where programs write for a while. Calls visit(path) for each.
template <typename F>
void ForEachTemporaryFolder(F&& visit) {
  constexpr const char* kPaths[] = {"/tmp", "/var/tmp", "/dev/shm"};
  for (const char* path : kPaths) visit(path);
}

}  // namespace outboard::supervise
