#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace outboard::supervise {

// Where one controller's cgroups of this process's children go.
struct Controller {
  std::string folder;  // of this process's own cgroup; empty: unusable
  bool version2 = false;
  std::string problem = "the host was started without";  // why it is unusable
};

// The cgroups that a host may make for its plugins, of version 2, version 1 or a mixture.
struct Cgroups {
  Controller memory;
  Controller cpu;
  Controller pids;
};

// From the texts of /proc/self/mountinfo and /proc/self/cgroup: where they are, not yet whether
// they can be used. Pure.
Cgroups FindCgroups(absl::string_view mountinfo, absl::string_view own);

// Finds them and makes those of version 2 usable: where this process is in the way of its own
// children's limits, it moves into the cgroup `outboard-host` below its own. Call it before any
// plugin runs.
Cgroups OpenCgroups();

// Hands the controllers of the version 2 cgroup at `folder` to its children. Returns why not; empty
// if they are theirs.
std::string DelegateControllers(const std::string& folder,
                                const std::vector<std::string>& controllers);

// Removes a plugin's cgroup if nothing is left in it; one that is gone is fine.
void RemoveCgroup(const std::string& folder);

}  // namespace outboard::supervise
