#include "host/supervise/plugin_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/supervise/file_limit.h"
#include "host/supervise/pidfd.h"
#include "host/supervise/procfs.h"

namespace outboard::supervise {
namespace {

constexpr size_t kReadAtOnce = 64 * 1024;
// What a pipe can hold at the very most without privileges: all of it is read when its writers are
// gone.
constexpr size_t kPipeMax = 1 << 20;

struct Ends {
  Fd ours;
  Fd theirs;
};

absl::Status SystemError(absl::string_view what, int error) {
  return absl::InternalError(absl::StrCat(what, ": ", std::strerror(error)));
}

// Above 0 to 3, which the launcher's ends are copied to: a host whose own were closed may get
// those.
absl::Status MoveUp(int fd, Fd* out) {
  const Fd low(fd);
  out->Reset(fcntl(fd, F_DUPFD_CLOEXEC, 10));
  return out->ok() ? absl::OkStatus() : SystemError("cannot make a pipe", errno);
}

absl::StatusOr<Ends> MakePipe(bool we_read) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return SystemError("cannot make a pipe", errno);
  Ends ends;
  const absl::Status ours = MoveUp(fds[we_read ? 0 : 1], &ends.ours);
  const absl::Status theirs = MoveUp(fds[we_read ? 1 : 0], &ends.theirs);
  OUTBOARD_RETURN_IF_ERROR(ours);
  OUTBOARD_RETURN_IF_ERROR(theirs);
  fcntl(ends.ours.get(), F_SETFL, fcntl(ends.ours.get(), F_GETFL) | O_NONBLOCK);
  return ends;
}

absl::StatusOr<Ends> MakeControl() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
    return SystemError("cannot make a socket pair", errno);
  }
  Ends ends;
  const absl::Status ours = MoveUp(fds[0], &ends.ours);
  const absl::Status theirs = MoveUp(fds[1], &ends.theirs);
  OUTBOARD_RETURN_IF_ERROR(ours);
  OUTBOARD_RETURN_IF_ERROR(theirs);
  return ends;
}

std::vector<char*> Pointers(std::vector<std::string>* words) {
  std::vector<char*> pointers;
  for (std::string& word : *words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// posix_spawn rather than fork: no copy of a large host's page tables, and safe with threads.
int SpawnLauncher(const LaunchRequest& request, const int (&fds)[4], pid_t* pid) {
  std::vector<std::string> words = {request.launcher, request.label, request.directory,
                                    request.program};
  words.insert(words.end(), request.measures.begin(), request.measures.end());
  words.emplace_back("--");
  words.insert(words.end(), request.argv.begin(), request.argv.end());
  std::vector<std::string> variables;
  for (const auto& [name, value] : request.environment) {
    variables.push_back(absl::StrCat(name, "=", value));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int i = 0; i < 4; ++i) posix_spawn_file_actions_adddup2(&actions, fds[i], i);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // Its own session: a terminal's Ctrl-C is for the host alone. Signals as a fresh program expects
  // them.
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigdefault(&attributes, &all);
  const int error = posix_spawn(pid, request.launcher.c_str(), &actions, &attributes,
                                Pointers(&words).data(), Pointers(&variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// The plugin inherits it from its launcher. The hard limit stays, as it cannot be raised again.
// Fails only where the launcher is gone, which its pidfd tells.
void AllowCore(pid_t launcher, bool allow) {
  rlimit limit{};
  getrlimit(RLIMIT_CORE, &limit);
  limit.rlim_cur = allow ? limit.rlim_max : 0;
  prlimit(launcher, RLIMIT_CORE, &limit, nullptr);
}

// As AllowCore.
void LimitFiles(pid_t launcher) {
  const std::optional<rlimit> limit = FormerFileLimit();
  if (limit.has_value()) prlimit(launcher, RLIMIT_NOFILE, &*limit, nullptr);
}

}  // namespace

absl::StatusOr<std::unique_ptr<PluginProcess>> PluginProcess::Spawn(const LaunchRequest& request,
                                                                    Listener listener) {
  OUTBOARD_ASSIGN_OR_RETURN(Ends in, MakePipe(/*we_read=*/false));
  OUTBOARD_ASSIGN_OR_RETURN(Ends out, MakePipe(/*we_read=*/true));
  OUTBOARD_ASSIGN_OR_RETURN(Ends err, MakePipe(/*we_read=*/true));
  OUTBOARD_ASSIGN_OR_RETURN(Ends control, MakeControl());
  std::unique_ptr<PluginProcess> self(new PluginProcess(std::move(listener)));
  const int fds[4] = {in.theirs.get(), out.theirs.get(), err.theirs.get(), control.theirs.get()};
  const int error = SpawnLauncher(request, fds, &self->launcher_.pid);
  if (error != 0) return SystemError(absl::StrCat("cannot run ", request.launcher), error);
  self->launcher_fd_ = PidfdOpen(self->launcher_.pid);
  self->stdin_ = std::move(in.ours);
  self->stdout_.fd = std::move(out.ours);
  self->stderr_.fd = std::move(err.ours);
  self->control_ = std::move(control.ours);
  if (!self->launcher_fd_.ok()) {
    const int why = errno;
    self->control_.Reset();  // it exits by that
    waitpid(self->launcher_.pid, nullptr, 0);
    return SystemError("cannot watch a process (pidfd_open)", why);
  }
  AllowCore(self->launcher_.pid, request.core);
  LimitFiles(self->launcher_.pid);
  const std::optional<ProcStat> stat = ReadProcStat(self->launcher_.pid);
  if (stat.has_value()) self->launcher_.start_ticks = stat->start_ticks;
  return self;
}

PluginProcess::~PluginProcess() = default;

void PluginProcess::Send(const CommandPacket& packet) {
  // Lost only if the launcher is gone, which its pidfd tells.
  [[maybe_unused]] const ssize_t n =
      send(control_.get(), &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void PluginProcess::AddPollFds(std::vector<pollfd>* fds) const {
  for (const int fd : {control_.get(), stdout_.fd.get(), stderr_.fd.get(), launcher_fd_.get()}) {
    fds->push_back({fd, POLLIN, 0});
  }
}

bool PluginProcess::OnPoll(const pollfd* fds, const std::string& mark) {
  if (fds[0].revents != 0) ReadReports();
  if (fds[1].revents != 0) ReadOutput(OutputStream::kStdout, kReadAtOnce);
  if (fds[2].revents != 0) ReadOutput(OutputStream::kStderr, kReadAtOnce);
  if (fds[3].revents == 0) return false;
  OnLauncherEnded(mark);
  return true;
}

void PluginProcess::ReadReports() {
  ReportPacket packet;
  while (control_.ok()) {
    const ssize_t n = recv(control_.get(), &packet, sizeof(packet), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n != sizeof(packet)) return control_.Reset();  // its end: the pidfd tells the rest
    if (packet.kind == ReportKind::kStarted) listener_.on_started(packet.pid);
    if (packet.kind == ReportKind::kUnapplied) unapplied_.push_back(packet);
    if (packet.kind == ReportKind::kNotStarted) not_started_ = packet;
    if (packet.kind == ReportKind::kEnded) ended_ = packet;
  }
}

void PluginProcess::ReadOutput(OutputStream stream, size_t max_bytes) {
  Output& output = stream == OutputStream::kStdout ? stdout_ : stderr_;
  const auto pass_on = [&](OutputLine line) { listener_.on_line(stream, std::move(line)); };
  static thread_local std::vector<char> buffer(kReadAtOnce);
  while (output.fd.ok() && max_bytes > 0) {
    const ssize_t n = read(output.fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      output.fd.Reset();
      output.lines.Finish(pass_on);
      return;
    }
    output.lines.Feed(absl::string_view(buffer.data(), static_cast<size_t>(n)), pass_on);
    max_bytes -= std::min(max_bytes, static_cast<size_t>(n));
  }
}

void PluginProcess::KillAllAndLauncher(const std::string& mark) {
  // Whoever loses its parent may have started another one since the last look.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
  while (KillSessionAndMarked(launcher_.pid, mark, launcher_.pid) > 0 &&
         std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  PidfdSignal(launcher_fd_, SIGKILL);
}

void PluginProcess::OnLauncherEnded(const std::string& mark) {
  ReadReports();
  // Not reaped yet, so that its number, which is its session's, stays its own while we look.
  siginfo_t info{};
  waitid(P_PIDFD, static_cast<id_t>(launcher_fd_.get()), &info, WEXITED | WNOWAIT);
  if (info.si_code != CLD_EXITED || info.si_status != 0) KillAllAndLauncher(mark);
  for (const OutputStream stream : {OutputStream::kStdout, OutputStream::kStderr}) {
    ReadOutput(stream, kPipeMax);
    Output& output = stream == OutputStream::kStdout ? stdout_ : stderr_;
    if (!output.fd.ok()) continue;
    output.fd.Reset();
    output.lines.Finish([&](OutputLine line) { listener_.on_line(stream, std::move(line)); });
  }
  waitpid(launcher_.pid, &launcher_wait_status_, 0);
  launcher_fd_.Reset();
}

}  // namespace outboard::supervise
