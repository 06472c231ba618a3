#pragma once

#include <stdint.h>

#include "host/supervise/launcher_options.h"
#include "host/supervise/launcher_protocol.h"

// The plugin's cgroups, as the `limit` options name them. Libc only.
namespace outboard::supervise {

// Removes them once they are empty; waits a moment for that.
void RemoveCgroups(const LauncherOptions& options);

// True if the plugin's memory cgroup killed any process.
bool KernelKilledForMemory(const LauncherOptions& options);

struct CgroupLimit {
  Measure measure;
  char folder[512];
  char file[64];
  char value[64];
};

// False: no such limit.
bool ParseCgroupLimit(const char* text, CgroupLimit* limit);

// 0 or errno.
int MakeCgroup(const CgroupLimit& limit);
int JoinCgroup(const CgroupLimit& limit);

// Makes them and sets their limits. unapplied(measure, errno, folder) for each that cannot be.
template <typename F>
void MakeCgroups(const LauncherOptions& options, F&& unapplied) {
  options.ForEach("limit", [&](const char* text) {
    CgroupLimit limit;
    if (!ParseCgroupLimit(text, &limit)) return;
    const int error = MakeCgroup(limit);
    if (error != 0 && limit.measure != Measure::kNone)
      unapplied(limit.measure, error, limit.folder);
  });
}

// Puts the calling process into them; unapplied as above.
template <typename F>
void JoinCgroups(const LauncherOptions& options, F&& unapplied) {
  options.ForEach("limit", [&](const char* text) {
    CgroupLimit limit;
    if (!ParseCgroupLimit(text, &limit) || limit.measure == Measure::kNone) return;
    const int error = JoinCgroup(limit);
    if (error != 0) unapplied(limit.measure, error, limit.folder);
  });
}

}  // namespace outboard::supervise
