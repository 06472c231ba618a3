#pragma once

#include <poll.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/base/clock.h"
#include "host/supervise/backoff.h"
#include "host/supervise/output_limiter.h"
#include "host/supervise/output_log.h"
#include "host/supervise/plugin_process.h"
#include "host/supervise/run_dir.h"
#include "host/supervise/supervisor.h"

namespace outboard::supervise {

// What all instances of a supervisor share. Outlives them.
struct InstanceContext {
  const SupervisorOptions& options;
  const Clock& clock;
  RunDir& run_dir;
  const Cgroups& cgroups;
  OutputLog& log;
  std::function<double()> random;  // [0, 1)
};

// One instance of a plugin: its current process, or the wait for the next. Starts at once. On the
// supervisor's thread.
class Instance {
 public:
  Instance(InstanceKey key, ProgramSpec spec, InstanceContext* context);
  ~Instance();

  // The verbs of Supervisor.
  void StartAnew(ProgramSpec spec);
  void Stop();
  void Kill(int signal);
  void Replace();
  void OnHealthy() { backoff_.OnHealthy(); }
  // No patience any more: SIGKILL at once, and no restart.
  void StopNow();

  // Appends PluginProcess::kPollFds entries.
  void AddPollFds(std::vector<pollfd>* fds) const;
  void OnPoll(const pollfd* fds);
  // Does what is due; NextWake is when there is something to do.
  void OnTime();
  Time NextWake() const;

  // 0 while no process is there.
  pid_t launcher_pid() const { return process_ != nullptr ? process_->launcher().pid : 0; }
  // For good.
  bool gone() const { return gone_; }
  InstanceStatus Status() const;
  // True if Status changed since the last call.
  bool TakeChanged() { return std::exchange(changed_, false); }

 private:
  enum class Next { kBackoff, kSoon, kNothing };  // what follows the end of the process

  Time Now() const { return context_->clock.Now(); }
  absl::Status TryLaunch();
  void Launch();
  void BeginStop(Next next);
  void OnStarted(pid_t pid);
  void OnLine(OutputStream stream, OutputLine line);
  void OnProcessOver();
  void Finish(ProcessEnd end);
  ProcessEnd DescribeEnd() const;
  // Says and keeps what this process had to be started without.
  void NoteUnapplied();
  void LogEnd(const ProcessEnd& end, Time restart_at);
  void Note(LogLevel level, std::string text,
            std::vector<std::pair<const char*, std::string>> fields = {});
  void NoteDropped();
  std::string Mark() const { return "OUTBOARD_LISTEN=unix:" + socket_dir_ + "/plugin.sock"; }

  const InstanceKey key_;
  InstanceContext* const context_;
  ProgramSpec spec_;
  RestartBackoff backoff_;
  OutputLimiter limiter_;
  Time note_dropped_at_ = kNever;

  InstanceState state_ = InstanceState::kWaiting;
  Time restart_at_;
  uint64_t generation_ = 0;
  uint64_t ends_ = 0;
  std::string last_end_;
  std::vector<std::string> unapplied_;
  bool gone_ = false;
  bool changed_ = true;

  // Of the current process.
  std::unique_ptr<PluginProcess> process_;
  IsolationPlan plan_;
  std::string socket_dir_;
  pid_t pid_ = 0;
  Time started_at_{};
  LineTail stderr_tail_;
  bool requested_ = false;
  Next next_ = Next::kBackoff;
  Time term_at_ = kNever;
  Time kill_at_ = kNever;
  Time hard_at_ = kNever;
};

}  // namespace outboard::supervise
