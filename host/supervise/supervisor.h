#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/supervise/process_end.h"
#include "host/supervise/program.h"

namespace outboard::supervise {

// A process of an instance came up. It runs, but need not listen yet.
struct Started {
  InstanceKey instance;
  uint64_t generation = 0;  // 1 for the instance's first process, one more for each later one
  pid_t pid = 0;            // of the plugin itself, not of its launcher
  std::string address;      // what it was told to listen at: "unix:/…/plugin.sock"
};

// A process of an instance is gone, and with it every process that it started. Comes once for each
// generation, also for one that never came up (then without a Started).
struct Ended {
  InstanceKey instance;
  uint64_t generation = 0;
  ProcessEnd end;
  Time restart_at = kNever;  // when the next one is started; kNever: the instance is gone for good
};

enum class InstanceState { kWaiting, kRunning, kStopping };

struct InstanceStatus {
  InstanceKey instance;
  InstanceState state = InstanceState::kWaiting;
  uint64_t generation = 0;   // of the current process, or of the last one
  pid_t pid = 0;             // 0 while none runs
  std::string address;       // empty while none runs
  Time started_at{};         // of the current process
  Time restart_at = kNever;  // in kWaiting
  uint64_t ends = 0;         // ends that nobody asked for since Start
  std::string last_end;      // ProcessEnd::Describe() of the last end; empty before the first
  std::vector<std::string>
      unapplied;  // limits and parts of the sandbox that it is without, and why
};

struct SupervisorOptions {
  // The host's data folder: holds `run/` with sockets, a lock, and the record of what was launched.
  std::string data_dir;
  // Where sockets go when a path in data_dir would be longer than the 107 bytes of a unix socket.
  std::string fallback_dir = "/tmp";
  // Path of outboard-launcher; empty: beside this program's file, or in ../libexec/outboard.
  std::string launcher;
  // Some plugin has limits: cgroups are looked for. A host in one of version 2 moves into a cgroup
  // of its own below it.
  bool use_cgroups = false;
  // All are called on the supervisor's thread and must not block, nor call Shutdown: post to a
  // mailbox.
  std::function<void(const Started&)> on_started;
  std::function<void(const Ended&)> on_ended;
  // Called when an instance is gone for good, after its last Ended if it had any process. May be
  // empty.
  std::function<void(const InstanceKey&)> on_removed;
  // Output of one instance that reaches the log: lines and bytes a second, ten seconds' worth at
  // once.
  uint32_t output_lines_per_second = 200;
  uint32_t output_bytes_per_second = 256 * 1024;
  const Clock* clock = nullptr;  // nullptr: a RealClock of its own; else outlives the supervisor
  uint64_t seed = 0;             // of the restart jitter; 0: from the system
};

// Keeps the processes of launched plugins running: starts each through outboard-launcher, captures
// its output into the log, starts it anew with backoff when it ends, stops it in order, and leaves
// no process behind, however the host ends. Knows neither events nor what plugins say.
//
// One thread of its own. Every method may be called on any thread (Shutdown and the destructor not
// in a callback) and returns at once, Shutdown excepted; what it asks for is done in the order of
// the calls. A method that names an instance which is not there does nothing. SIGPIPE must be
// ignored by the host.
class Supervisor {
 public:
  // Locks `data_dir`/run, ends what a dead predecessor there left running, removes its sockets, and
  // starts the thread. FAILED_PRECONDITION: a living host uses this folder; NOT_FOUND: no launcher;
  // else what the system said. Every message says what to do.
  static absl::StatusOr<std::unique_ptr<Supervisor>> Create(SupervisorOptions options);

  // Shutdown(0) unless that was done.
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Starts and keeps running instance `number` of `spec`. If that instance is there already, its
  // process is stopped in order and the next one is of the new spec. INVALID_ARGUMENT: see
  // ValidateProgram, or sandbox.user is unknown. FAILED_PRECONDITION: it requires limits or a
  // sandbox that this machine does not give; that is tried, for tens of milliseconds, at instance
  // 0.
  absl::Status Start(ProgramSpec spec, int number, bool quarantine = false);

  // Ends the instance for good: end of file on stdin; after a fifth of the grace, at most 1 s,
  // SIGTERM to the group; SIGKILL after the grace. Its Ended has restart_at kNever; it is then out
  // of Snapshot.
  void Stop(const InstanceKey& instance);

  // Sends `signal` to the group now, SIGKILL after the grace, and starts anew with backoff. SIGABRT
  // makes a stuck plugin leave a trace of where it hangs.
  void Kill(const InstanceKey& instance, int signal = SIGKILL);

  // Stops the process in order and starts a new one without backoff, though never two within
  // `restart_initial`. An instance that waits for its restart is started likewise.
  void Replace(const InstanceKey& instance);

  // A successful answer of this instance was seen: its next restart starts with `restart_initial`
  // again.
  void ReportHealthy(const InstanceKey& instance);

  // All instances, sorted by key. As of the last change that the supervisor made.
  std::vector<InstanceStatus> Snapshot() const;

  // Stops all instances at once, each as Stop does; kills what is left after `deadline`. Returns
  // when all are gone, at most a few seconds after the deadline. Later calls do nothing.
  void Shutdown(Duration deadline);

 private:
  class Impl;
  explicit Supervisor(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::supervise
