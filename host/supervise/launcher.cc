// outboard-launcher: the parent of one plugin process. Starts it in a process group of its own,
// limited and confined as its options say, tells the host how it ended, and sees to it that nothing
// that the plugin started outlives it or the host. libc only, one thread, no allocation after the
// start. The protocol is in launcher_protocol.h.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/supervise/launcher_cgroup.h"
#include "host/supervise/launcher_memory.h"
#include "host/supervise/launcher_options.h"
#include "host/supervise/launcher_protocol.h"
#include "host/supervise/launcher_sandbox.h"

extern char** environ;

namespace outboard::supervise {
namespace {

// A plugin whose host is gone has this long between SIGTERM and SIGKILL.
constexpr int64_t kOrphanGraceMs = 1000;
// Processes that SIGKILL does not end by then (they hang in the kernel) are left alone.
constexpr int64_t kCleanUpMs = 3000;
// How often the memory of a plugin without a cgroup is looked at.
constexpr int64_t kMemoryEveryMs = 50;

int64_t NowMs() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<int64_t>(ts.tv_sec) * 1000 + ts.tv_nsec / 1'000'000;
}

struct Plugin {
  pid_t pid = 0;  // also its process group; 0: not forked
  bool reaped = false;
  int wait_status = 0;
  uint64_t max_rss_bytes = 0;
  uint64_t cpu_us = 0;
  MemoryKill memory_kill = MemoryKill::kNone;
};

// The command line.
struct CommandLine {
  const char* directory;
  const char* program;
  LauncherOptions options;
  char** argv;  // of the program
};

// All that this process knows; there is one, in main.
struct Launcher {
  explicit Launcher(const CommandLine& line) : command(line) {}

  const CommandLine& command;
  int signals = -1;  // signalfd of SIGCHLD
  int notes = -1;    // read end: ChildNotes; end of file once the program runs
  bool host_gone = false;
  bool terminating = false;  // SIGTERM went to the group: what is left of it may finish
  bool kill_all = false;
  bool not_started = false;
  int64_t kill_at_ms = -1;
  uint64_t memory_limit = 0;  // 0: none, or the kernel watches it
  int64_t memory_at_ms = 0;   // when it is looked at next
  Plugin plugin;
};

void Report(const ReportPacket& packet) {
  // Lost if the host is gone, which the loop learns by itself.
  [[maybe_unused]] const ssize_t n =
      send(kControlFd, &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ReportEnded(const Launcher& self) {
  const Plugin& plugin = self.plugin;
  ReportPacket packet{};
  packet.kind = ReportKind::kEnded;
  packet.wait_status = plugin.wait_status;
  packet.max_rss_bytes = plugin.max_rss_bytes;
  packet.cpu_us = plugin.cpu_us;
  packet.memory_kill = plugin.memory_kill;
  if (packet.memory_kill == MemoryKill::kNone && KernelKilledForMemory(self.command.options)) {
    packet.memory_kill = MemoryKill::kByKernel;
  }
  Report(packet);
}

void ReportNote(const ChildNote& note) {
  ReportPacket packet{};
  packet.kind = note.fatal ? ReportKind::kNotStarted : ReportKind::kUnapplied;
  packet.step = note.step;
  packet.error = note.error;
  packet.measure = note.measure;
  memcpy(packet.path, note.path, sizeof(packet.path));
  Report(packet);
}

void ReportNotStarted(int error) {
  ReportNote({true, StartStep::kFork, Measure::kNone, error, {}});
}

// In the child: becomes the program, or says why not and exits.
[[noreturn]] void BecomeProgram(pid_t launcher, int notes_fd, const CommandLine& command) {
  const ChildNotes notes(notes_fd, command.options);
  setpgid(0, 0);
  const bool local_sockets_only = TakeMeasures(command.options, notes);
  prctl(PR_SET_PDEATHSIG, SIGKILL);       // a change of user would undo it
  if (getppid() != launcher) _exit(127);  // it died before the line above
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (chdir(command.directory) != 0) notes.Fail(StartStep::kDirectory, Measure::kNone, errno);
  SealSyscalls(command.options, local_sockets_only, notes);
  if (command.options.Has("dry")) _exit(0);
  execve(command.program, command.argv, environ);
  notes.Fail(StartStep::kExecute, Measure::kNone, errno);
}

// What the kernel can do about the limits. False: one that is required cannot be had; reported.
bool PrepareLimits(Launcher* self) {
  const LauncherOptions& options = self->command.options;
  const char* memory = options.Get("memory");
  if (memory != nullptr) self->memory_limit = strtoull(memory, nullptr, 10);
  const char* mask = options.Get("require");
  const unsigned long required = mask != nullptr ? strtoul(mask, nullptr, 10) : 0;
  bool memory_by_kernel = false;
  options.ForEach("limit", [&](const char* text) {
    memory_by_kernel = memory_by_kernel ||
                       strtoul(text, nullptr, 10) == static_cast<unsigned long>(Measure::kMemory);
  });
  bool start = true;
  const auto unapplied = [&](Measure measure, int error, const char* folder) {
    const bool fatal = (required & (1ul << static_cast<uint32_t>(measure))) != 0;
    ChildNote note{fatal, StartStep::kMeasure, measure, error, {}};
    snprintf(note.path, sizeof(note.path), "%.255s", folder);
    if (start) ReportNote(note);
    start = start && !fatal;
  };
  MakeCgroups(options, [&](Measure measure, int error, const char* folder) {
    if (measure != Measure::kMemory) return unapplied(measure, error, folder);
    memory_by_kernel = false;  // then we watch it ourselves
  });
  if (memory_by_kernel) self->memory_limit = 0;
  uint64_t none = 0;
  if (self->memory_limit > 0 && !MemoryOfDescendants(&none)) {
    unapplied(Measure::kMemory, ENOSYS, "/proc");
    self->memory_limit = 0;
  }
  return start;
}

// False: reported, nothing runs.
bool Fork(Launcher* self) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) {
    ReportNotStarted(errno);
    return false;
  }
  const pid_t launcher = getpid();
  const pid_t pid = fork();
  if (pid == 0) BecomeProgram(launcher, fds[1], self->command);
  close(fds[1]);
  if (pid < 0) {
    ReportNotStarted(errno);
    return false;
  }
  setpgid(pid, pid);  // whoever comes first; fails harmlessly once the child has executed
  self->plugin.pid = pid;
  self->notes = fds[0];
  // The plugin alone holds its ends of the pipes, so that their other ends see it close them.
  close(0);
  close(1);
  close(2);
  return true;
}

// Takes up all that has ended: the plugin, and what it left to us as subreaper. False: no child is
// left.
bool Reap(Launcher* self) {
  Plugin* plugin = &self->plugin;
  for (;;) {
    int status;
    rusage usage;
    const pid_t pid = wait4(-1, &status, WNOHANG, &usage);
    if (pid == 0) return true;
    if (pid < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    const uint64_t rss = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
    if (rss > plugin->max_rss_bytes) plugin->max_rss_bytes = rss;
    plugin->cpu_us +=
        static_cast<uint64_t>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 +
        static_cast<uint64_t>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    if (pid == plugin->pid && !plugin->reaped) {
      plugin->reaped = true;
      plugin->wait_status = status;
      ReportEnded(*self);
    }
  }
}

// The parent of `pid`, 0 if it is gone.
pid_t ParentOf(pid_t pid) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/stat", static_cast<int>(pid));
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[512];
  const ssize_t n = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (n <= 0) return 0;
  text[n] = '\0';
  // The name between parentheses may hold any byte: what follows the last one counts.
  const char* after_name = strrchr(text, ')');
  int parent = 0;
  if (after_name == nullptr || sscanf(after_name, ") %*c %d", &parent) != 1) return 0;
  return parent;
}

// SIGKILL to every child of ours. Whoever loses its parent by that becomes our child, as we are its
// subreaper, and is found the next time. A child's number cannot be taken by another process before
// we reap it, so this hits no stranger.
void KillChildren() {
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return;
  const pid_t self = getpid();
  while (const dirent* entry = readdir(proc)) {
    char* end;
    const long pid = strtol(entry->d_name, &end, 10);
    if (*end != '\0' || pid <= 1) continue;
    if (ParentOf(static_cast<pid_t>(pid)) == self) kill(static_cast<pid_t>(pid), SIGKILL);
  }
  closedir(proc);
}

// True if anything that the plugin started is left in its group. Its own zombie is reaped before.
bool GroupAlive(const Plugin& plugin) { return kill(-plugin.pid, 0) == 0 || errno == EPERM; }

void SignalGroup(const Plugin& plugin, int signal) {
  kill(-plugin.pid, signal);
  if (signal != SIGSTOP) kill(-plugin.pid, SIGCONT);  // a stopped process would sleep on it
}

void WaitForChild(const Launcher& self, int timeout_ms) {
  pollfd fd{self.signals, POLLIN, 0};
  poll(&fd, 1, timeout_ms);
  signalfd_siginfo info;
  while (read(self.signals, &info, sizeof(info)) > 0) {
  }
}

// Ends all that is left below us.
void CleanUp(Launcher* self) {
  const int64_t give_up = NowMs() + kCleanUpMs;
  while (NowMs() < give_up) {
    if (!Reap(self)) return;
    // The group's number is surely ours only while a member is left: here we have a child.
    if (!self->plugin.reaped || GroupAlive(self->plugin)) kill(-self->plugin.pid, SIGKILL);
    KillChildren();
    if (!Reap(self)) return;
    WaitForChild(*self, 10);
  }
}

void OnHostGone(Launcher* self) {
  self->host_gone = true;
  self->terminating = true;
  self->kill_at_ms = NowMs() + kOrphanGraceMs;
  SignalGroup(self->plugin, SIGTERM);
}

void OnControl(Launcher* self) {
  CommandPacket packet;
  const ssize_t n = recv(kControlFd, &packet, sizeof(packet), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return OnHostGone(self);
  if (n != sizeof(packet)) return;
  if (packet.kind == CommandKind::kKillAll) self->kill_all = true;
  if (packet.kind == CommandKind::kSignal) {
    if (packet.signal == SIGTERM) self->terminating = true;
    SignalGroup(self->plugin, packet.signal);
  }
}

void OnNote(Launcher* self) {
  ChildNote note;
  const ssize_t n = read(self->notes, &note, sizeof(note));
  if (n < 0 && errno == EINTR) return;
  if (n == sizeof(note) && !note.fatal) {
    if (note.measure != Measure::kMemory) return ReportNote(note);
    // It could not join its cgroup: then we watch it ourselves.
    self->memory_limit = strtoull(self->command.options.Get("memory"), nullptr, 10);
    return;
  }
  close(self->notes);
  self->notes = -1;
  if (n == sizeof(note)) {
    self->not_started = true;
    return ReportNote(note);
  }
  ReportPacket packet{};
  packet.kind = ReportKind::kStarted;
  packet.pid = self->plugin.pid;
  Report(packet);
}

void LookAtMemory(Launcher* self) {
  const int64_t now = NowMs();
  if (now < self->memory_at_ms) return;
  self->memory_at_ms = now + kMemoryEveryMs;
  uint64_t bytes = 0;
  if (!MemoryOfDescendants(&bytes) || bytes <= self->memory_limit) return;
  self->plugin.memory_kill = MemoryKill::kByLauncher;
  self->kill_all = true;
}

bool Finished(const Launcher& self) {
  if (self.kill_all || self.not_started) return true;
  if (self.kill_at_ms >= 0 && NowMs() >= self.kill_at_ms) return true;
  if (!self.plugin.reaped || self.notes >= 0) return false;
  // It may have a group left that still handles SIGTERM, as under `sh -c`. Else its end is the end
  // of all.
  return !self.terminating || !GroupAlive(self.plugin);
}

void Watch(Launcher* self) {
  while (!Finished(*self)) {
    pollfd fds[3] = {{self->host_gone ? -1 : kControlFd, POLLIN, 0},
                     {self->signals, POLLIN, 0},
                     {self->notes, POLLIN, 0}};
    int timeout = -1;
    if (self->kill_at_ms >= 0) {
      const int64_t left = self->kill_at_ms - NowMs();
      timeout = left > 0 ? static_cast<int>(left) + 1 : 0;
    }
    if (self->memory_limit > 0 && (timeout < 0 || timeout > kMemoryEveryMs)) {
      timeout = static_cast<int>(kMemoryEveryMs);
    }
    // The end of group members whose parent is another one is not told to us: look.
    if (self->plugin.reaped && (timeout < 0 || timeout > 50)) timeout = 50;
    if (poll(fds, 3, timeout) < 0 && errno != EINTR) return;
    // Before what ended is taken up: the end of a program is told after its start.
    if (fds[2].revents != 0) OnNote(self);
    if (fds[0].revents != 0) OnControl(self);
    if (fds[1].revents != 0) WaitForChild(*self, 0);
    if (self->notes < 0) Reap(self);
    if (self->memory_limit > 0) LookAtMemory(self);
  }
}

// False: the host went away before it said go.
bool AwaitGo() {
  for (;;) {
    CommandPacket packet;
    const ssize_t n = recv(kControlFd, &packet, sizeof(packet), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n != sizeof(packet) || packet.kind == CommandKind::kKillAll) return false;
    if (packet.kind == CommandKind::kGo) return true;
  }
}

// Signals that others send us (a service manager to all processes of a group) must not end us
// before the plugin: all wait, for ever.
int BlockSignals() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

// From go to the end.
void RunPlugin(Launcher* self) {
  if (!PrepareLimits(self) || !Fork(self)) return;
  Watch(self);
  CleanUp(self);
  if (!self->not_started) ReportEnded(*self);
}

int Main(int argc, char** argv) {
  int type = 0;
  socklen_t length = sizeof(type);
  char** program_argv = nullptr;
  const LauncherOptions options(argv + (argc < 4 ? argc : 4), &program_argv);
  if (program_argv == nullptr || *program_argv == nullptr ||
      getsockopt(kControlFd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) {
    fprintf(stderr,
            "outboard-launcher is started by `outboard serve`, once for each plugin process.\n"
            "It is of no use by itself: run the plugin's own command instead.\n");
    return 2;
  }
  close_range(kControlFd + 1, ~0U, 0);
  fcntl(kControlFd, F_SETFD, FD_CLOEXEC);
  const CommandLine command{argv[2], argv[3], options, program_argv};
  Launcher self(command);
  self.signals = BlockSignals();
  if (self.signals < 0) return 1;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (!AwaitGo()) return 0;
  RunPlugin(&self);
  RemoveCgroups(options);
  return 0;
}

}  // namespace
}  // namespace outboard::supervise

int main(int argc, char** argv) { return outboard::supervise::Main(argc, argv); }
