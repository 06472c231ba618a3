#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

// Linux's /proc: what the supervisor asks about processes that are not its children.
namespace outboard::supervise {

struct ProcStat {
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  char state = '?';          // 'Z': a zombie
  uint64_t start_ticks = 0;  // since boot; with the pid it names one process
};

// Parses the text of /proc/<pid>/stat. Pure.
std::optional<ProcStat> ParseProcStat(absl::string_view text);
std::optional<ProcStat> ReadProcStat(pid_t pid);

std::vector<pid_t> AllProcesses();

// True if the process was started with exactly this NAME=value. False if its environment cannot be
// read.
bool StartedWith(pid_t pid, const std::string& variable);

// What pids are unique within: this boot of the machine, this pid namespace. Empty where
// unreadable.
std::string BootId();
std::string PidNamespace();

// Sends SIGKILL to `pid` if `condition` holds for it, and never to another process that took its
// number.
bool KillIf(pid_t pid, const std::function<bool(const ProcStat&)>& condition);

// SIGKILL to every process of the session, and to every one that was started with `variable`,
// except `spared` and the caller. Returns how many were found.
int KillSessionAndMarked(pid_t session, const std::string& variable, pid_t spared);

}  // namespace outboard::supervise
