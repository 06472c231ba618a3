#include "host/supervise/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <climits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/supervise/pidfd.h"

namespace outboard::supervise {
namespace {

// The whole file, at most 4 MiB; empty if it cannot be read.
std::string ReadFile(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[4096];
  while (fd.ok() && text.size() < (4u << 20)) {
    const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

}  // namespace

std::optional<ProcStat> ParseProcStat(absl::string_view text) {
  // pid (name) state ppid pgrp session …: the name may hold anything, so count from its last
  // parenthesis.
  const size_t name_end = text.rfind(')');
  if (name_end == absl::string_view::npos || name_end + 2 > text.size()) return std::nullopt;
  const std::vector<absl::string_view> fields = absl::StrSplit(text.substr(name_end + 2), ' ');
  ProcStat stat;
  if (fields.size() < 20 || fields[0].size() != 1) return std::nullopt;
  stat.state = fields[0][0];
  if (!absl::SimpleAtoi(fields[1], &stat.parent) || !absl::SimpleAtoi(fields[2], &stat.group) ||
      !absl::SimpleAtoi(fields[3], &stat.session) ||
      !absl::SimpleAtoi(fields[19], &stat.start_ticks)) {
    return std::nullopt;
  }
  return stat;
}

std::optional<ProcStat> ReadProcStat(pid_t pid) {
  return ParseProcStat(ReadFile(absl::StrCat("/proc/", pid, "/stat")));
}

std::vector<pid_t> AllProcesses() {
  std::vector<pid_t> pids;
  DIR* const proc = opendir("/proc");
  if (proc == nullptr) return pids;
  while (const dirent* entry = readdir(proc)) {
    pid_t pid;
    if (absl::SimpleAtoi(entry->d_name, &pid)) pids.push_back(pid);
  }
  closedir(proc);
  return pids;
}

bool StartedWith(pid_t pid, const std::string& variable) {
  if (variable.empty()) return false;  // what stands behind the last one of any process
  const std::string environment = ReadFile(absl::StrCat("/proc/", pid, "/environ"));
  for (const absl::string_view entry : absl::StrSplit(environment, '\0')) {
    if (entry == variable) return true;
  }
  return false;
}

std::string BootId() {
  std::string id = ReadFile("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

std::string PidNamespace() {
  char link[PATH_MAX];
  const ssize_t n = readlink("/proc/self/ns/pid", link, sizeof(link));
  return n > 0 ? std::string(link, static_cast<size_t>(n)) : std::string();
}

bool KillIf(pid_t pid, const std::function<bool(const ProcStat&)>& condition) {
  // The descriptor is taken first: if the number changes hands later, the signal goes nowhere.
  const Fd process = PidfdOpen(pid);
  if (!process.ok()) return false;
  const std::optional<ProcStat> stat = ReadProcStat(pid);
  if (!stat.has_value() || stat->state == 'Z' || !condition(*stat)) return false;
  return PidfdSignal(process, SIGKILL);
}

int KillSessionAndMarked(pid_t session, const std::string& variable, pid_t spared) {
  int killed = 0;
  for (const pid_t pid : AllProcesses()) {
    if (pid <= 1 || pid == spared || pid == getpid()) continue;
    const bool hit = KillIf(pid, [&](const ProcStat& stat) {
      return (session > 1 && stat.session == session) || StartedWith(pid, variable);
    });
    if (hit) ++killed;
  }
  return killed;
}

}  // namespace outboard::supervise
