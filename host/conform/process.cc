#include "host/conform/process.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/supervise/find_launcher.h"

namespace outboard::conform {
namespace {

using supervise::ProcessEnd;

const char* HostVariable(const char* name) { return std::getenv(name); }

absl::StatusOr<std::string> MakeFolder() {
  char folder[] = "/tmp/outboard-conform-XXXXXX";  // Short: a socket's path has 107 bytes.
  if (mkdtemp(folder) != nullptr) return std::string(folder);
  return absl::InternalError(absl::StrCat("cannot make a folder in /tmp: ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Launch(const supervise::ProgramSpec& spec,
                                                         bool show_output) {
  std::unique_ptr<Process> self(new Process);
  self->show_output_ = show_output;
  OUTBOARD_RETURN_IF_ERROR(ValidateProgram(spec));
  OUTBOARD_ASSIGN_OR_RETURN(self->folder_, MakeFolder());
  supervise::LaunchRequest request;
  OUTBOARD_ASSIGN_OR_RETURN(request.launcher, supervise::FindLauncher(""));
  request.label = spec.name + ".0";
  request.directory = spec.directory;
  request.argv = spec.argv;
  request.environment = BuildEnvironment(spec, {spec.name, 0}, self->address(), &HostVariable);
  OUTBOARD_ASSIGN_OR_RETURN(request.program, ResolveProgram(spec, request.environment));
  supervise::PluginProcess::Listener listener;
  listener.on_started = [](pid_t) {};
  listener.on_line = [p = self.get()](supervise::OutputStream stream,
                                      const supervise::OutputLine& line) {
    p->OnLine(stream, line);
  };
  MutexLock lock(self->mu_);
  OUTBOARD_ASSIGN_OR_RETURN(self->process_,
                            supervise::PluginProcess::Spawn(request, std::move(listener)));
  self->process_->Go();
  self->thread_ = std::thread([p = self.get()] { p->Run(); });
  return self;
}

Process::~Process() {
  if (thread_.joinable()) {
    Kill();
    thread_.join();
  }
  if (folder_.empty()) return;
  unlink((folder_ + "/plugin.sock").c_str());
  rmdir(folder_.c_str());
}

void Process::OnLine(supervise::OutputStream stream, const supervise::OutputLine& line) {
  if (stream == supervise::OutputStream::kStderr) tail_.Add(line.text);
  if (show_output_) std::fprintf(stderr, "plugin: %s\n", EscapeForPeople(line.text).c_str());
}

void Process::CloseStdin() {
  MutexLock lock(mu_);
  process_->CloseStdin();
}

void Process::Signal(int signal) {
  MutexLock lock(mu_);
  process_->Signal(signal);
}

void Process::Kill() {
  MutexLock lock(mu_);
  process_->KillAll();
}

std::optional<ProcessEnd> Process::WaitEnd(Duration patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  MutexLock lock(mu_);
  while (!end_) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= until) return std::nullopt;
    changed_.WaitFor(mu_, until - now);
  }
  return end_;
}

void Process::Run() {
  while (true) {
    std::vector<pollfd> fds;
    {
      MutexLock lock(mu_);
      process_->AddPollFds(&fds);
    }
    // Descriptors are closed by this thread only.
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    MutexLock lock(mu_);
    if (!process_->OnPoll(fds.data(), "OUTBOARD_LISTEN=" + address())) continue;
    end_ = DescribeEnd();
    changed_.NotifyAll();
    return;
  }
}

ProcessEnd Process::DescribeEnd() const {
  ProcessEnd end;
  if (const auto& failed = process_->not_started(); failed.has_value()) {
    end.start_error = absl::StrCat("cannot run it: ", std::strerror(failed->error));
    return end;
  }
  const auto& report = process_->ended();
  const int status = report.has_value() ? report->wait_status : process_->launcher_wait_status();
  end.signaled = WIFSIGNALED(status);
  end.code = end.signaled ? WTERMSIG(status) : WEXITSTATUS(status);
  end.core_dumped = end.signaled && WCOREDUMP(status);
  end.stderr_tail = tail_.Text();
  return end;
}

}  // namespace outboard::conform
