#pragma once

#include "host/supervise/launcher_options.h"

namespace outboard::supervise {

// By Landlock, for this process and its children for good: no writes but to the folders of `write`,
// temporary ones and devices; no look into the memory or environment of processes outside, and,
// where the kernel has these, no signals and no abstract sockets to outside. 0 or errno. Libc only.
int EnterLandlock(const LauncherOptions& options);

}  // namespace outboard::supervise
