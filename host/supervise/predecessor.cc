#include "host/supervise/predecessor.h"

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "host/supervise/pidfd.h"
#include "host/supervise/procfs.h"

namespace outboard::supervise {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr auto kLauncherTime = std::chrono::milliseconds(2500);
constexpr auto kKillTime = std::chrono::milliseconds(2500);

bool SameWorld(const LaunchRecord& record) {
  return record.boot_id == BootId() && record.pid_namespace == PidNamespace();
}

bool Runs(const ProcessId& id) {
  const std::optional<ProcStat> stat = ReadProcStat(id.pid);
  return stat.has_value() && stat->start_ticks == id.start_ticks && stat->state != 'Z';
}

void WaitForEnd(const ProcessId& id, SteadyTime until) {
  const Fd process = PidfdOpen(id.pid);
  if (!process.ok() || !Runs(id)) return;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      until - std::chrono::steady_clock::now());
  pollfd fd{process.get(), POLLIN, 0};
  poll(&fd, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
}

// Kills what is left of one launcher's processes until none is found. Its launcher goes last: it is
// where the others' children go to, so that none of them is lost sight of.
int KillAll(const LaunchedProcess& process, SteadyTime until) {
  const std::string mark =
      absl::StrCat("OUTBOARD_LISTEN=unix:", process.socket_dir, "/plugin.sock");
  int killed = 0;
  do {
    const bool launcher = Runs(process.launcher);
    // The session's number may be a stranger's once its leader is gone; the mark never is.
    const int found =
        KillSessionAndMarked(launcher ? process.launcher.pid : 0, mark, process.launcher.pid);
    killed += found;
    if (found == 0) {
      if (!launcher) break;
      KillIf(process.launcher.pid, [&](const ProcStat& stat) {
        return stat.start_ticks == process.launcher.start_ticks;
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  } while (std::chrono::steady_clock::now() < until);
  return killed;
}

}  // namespace

bool IsAlive(const LaunchRecord& record, const ProcessId& id) {
  return SameWorld(record) && Runs(id);
}

std::string EndPredecessor(const LaunchRecord& record) {
  if (!SameWorld(record)) return "";
  const bool any = std::any_of(record.processes.begin(), record.processes.end(),
                               [](const LaunchedProcess& p) { return Runs(p.launcher); });
  SteadyTime until = std::chrono::steady_clock::now() + kLauncherTime;
  for (const LaunchedProcess& process : record.processes) WaitForEnd(process.launcher, until);
  until = std::chrono::steady_clock::now() + kKillTime;
  int killed = 0;
  for (const LaunchedProcess& process : record.processes) killed += KillAll(process, until);
  if (!any && killed == 0) return "";
  return absl::StrCat("the host before this one (pid ", record.host.pid, ") ended uncleanly; ",
                      "its plugins' processes are ended, ", killed, " of them by SIGKILL");
}

}  // namespace outboard::supervise
