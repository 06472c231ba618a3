#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outboard::supervise {

// One process, for good: a pid alone may be another one later.
struct ProcessId {
  pid_t pid = 0;
  uint64_t start_ticks = 0;

  friend bool operator==(const ProcessId&, const ProcessId&) = default;
};

struct LaunchedProcess {
  ProcessId launcher;      // also leads the session of all that it started
  std::string socket_dir;  // absolute
  std::vector<std::string> cgroups{};
};

// What a host leaves behind for the next one in the same data folder, in case it cannot clean up
// itself.
struct LaunchRecord {
  ProcessId host;
  std::string boot_id;        // pids and start times are of this boot of the machine …
  std::string pid_namespace;  // … and of this namespace
  std::vector<LaunchedProcess> processes;
};

// The text of the record's file, and back. INVALID_ARGUMENT names the line that is not ours. Pure.
std::string FormatLaunchRecord(const LaunchRecord& record);
absl::StatusOr<LaunchRecord> ParseLaunchRecord(absl::string_view text);

}  // namespace outboard::supervise
