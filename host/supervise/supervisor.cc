#include "host/supervise/supervisor.h"

#include <limits.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/mailbox.h"
#include "host/base/mutex.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/supervise/find_launcher.h"
#include "host/supervise/instance.h"
#include "host/supervise/output_log.h"
#include "host/supervise/pidfd.h"
#include "host/supervise/run_dir.h"
#include "host/supervise/try_isolation.h"

namespace outboard::supervise {
namespace {

// After SIGKILL to all: a process that still is there hangs in the kernel, and the host goes
// without it.
constexpr Duration kGiveUp = std::chrono::seconds(6);
// How often the init process of a container looks for orphans to take up.
constexpr Duration kOrphansEvery = std::chrono::seconds(1);

struct Command {
  enum class Kind { kStart, kStop, kKill, kReplace, kHealthy, kShutdown };
  Kind kind;
  InstanceKey instance;
  ProgramSpec spec;
  int signal = 0;
  Duration deadline{0};
};

absl::Status CheckKernel() {
  const Fd self = PidfdOpen(getpid());
  if (self.ok()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "this system lets no process be watched (pidfd_open: ", std::strerror(errno),
      "); fix: Linux 5.4 or later, in a container with a seccomp profile that allows it"));
}

// As the init process of a container we inherit orphans: ends of children that are not among
// `ours`.
void ReapOrphans(const std::vector<pid_t>& ours) {
  for (;;) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    if (std::find(ours.begin(), ours.end(), info.si_pid) != ours.end()) return;
    waitpid(info.si_pid, nullptr, WNOHANG);
  }
}

}  // namespace

class Supervisor::Impl {
 public:
  Impl(SupervisorOptions options, std::unique_ptr<RunDir> run_dir)
      : options_(std::move(options)),
        run_dir_(std::move(run_dir)),
        cgroups_(options_.use_cgroups ? OpenCgroups() : Cgroups()),
        random_(options_.seed != 0 ? options_.seed : std::random_device()()),
        context_{
            options_,  options_.clock != nullptr ? *options_.clock : own_clock_,
            *run_dir_, cgroups_,
            log_,      [this] { return std::uniform_real_distribution<double>(0, 1)(random_); }},
        thread_([this] { Run(); }) {}

  ~Impl() {
    Shutdown(Duration(0));
    thread_.join();
  }

  absl::Status Start(Command command) {
    OUTBOARD_RETURN_IF_ERROR(ValidateProgram(command.spec));
    if (command.instance.number == 0 && !command.instance.quarantine) {
      OUTBOARD_RETURN_IF_ERROR(TryIsolation(options_.launcher, command.spec, cgroups_));
    }
    if (shut_down_) return absl::FailedPreconditionError("the supervisor is shut down");
    mailbox_.Post(std::move(command));
    return absl::OkStatus();
  }

  void Post(Command command) { mailbox_.Post(std::move(command)); }

  std::vector<InstanceStatus> Snapshot() const OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return statuses_;
  }

  void Shutdown(Duration deadline) OUTBOARD_EXCLUDES(mu_) {
    if (!shut_down_.exchange(true)) {
      Command command{Command::Kind::kShutdown, {}, {}, 0, deadline};
      mailbox_.Post(std::move(command));
    }
    MutexLock lock(mu_);
    while (!finished_) finished_changed_.Wait(mu_);
  }

 private:
  void Run();
  void Apply(Command* command);
  void ApplyTo(Instance* instance, const Command& command);
  void OnShutdownTime();
  void RemoveGone();
  void Publish();
  void Poll();
  int PollTimeout() const;

  const SupervisorOptions options_;
  const std::unique_ptr<RunDir> run_dir_;
  const Cgroups cgroups_;
  const RealClock own_clock_;
  OutputLog log_;
  std::mt19937_64 random_;
  InstanceContext context_;
  std::map<InstanceKey, std::unique_ptr<Instance>> instances_;
  std::vector<pid_t> launchers_;   // scratch
  std::vector<pollfd> fds_;        // scratch
  std::vector<Command> commands_;  // scratch
  bool stopping_ = false;
  Time stop_now_at_ = kNever;
  Time give_up_at_ = kNever;
  bool changed_ = false;

  Mailbox<Command> mailbox_;
  std::atomic<bool> shut_down_ = false;
  mutable Mutex mu_;
  CondVar finished_changed_;
  bool finished_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::vector<InstanceStatus> statuses_ OUTBOARD_GUARDED_BY(mu_);
  std::thread thread_;  // last: it uses all of the above
};

void Supervisor::Impl::Run() {
  for (;;) {
    mailbox_.Drain(&commands_);
    for (Command& command : commands_) Apply(&command);
    OnShutdownTime();
    for (const auto& [key, instance] : instances_) instance->OnTime();
    RemoveGone();
    Publish();
    if (stopping_ && instances_.empty()) break;
    Poll();
  }
  MutexLock lock(mu_);
  finished_ = true;
  finished_changed_.NotifyAll();
}

void Supervisor::Impl::Apply(Command* command) {
  if (command->kind == Command::Kind::kShutdown) {
    stopping_ = true;
    stop_now_at_ = context_.clock.Now() + command->deadline;
    for (const auto& [key, instance] : instances_) instance->Stop();
    return;
  }
  const auto it = instances_.find(command->instance);
  if (it != instances_.end()) return ApplyTo(it->second.get(), *command);
  if (command->kind != Command::Kind::kStart || stopping_) return;
  changed_ = true;
  instances_.emplace(
      command->instance,
      std::make_unique<Instance>(command->instance, std::move(command->spec), &context_));
}

void Supervisor::Impl::ApplyTo(Instance* instance, const Command& command) {
  switch (command.kind) {
    case Command::Kind::kStart:
      if (!stopping_) instance->StartAnew(command.spec);
      break;
    case Command::Kind::kStop: instance->Stop(); break;
    case Command::Kind::kKill: instance->Kill(command.signal); break;
    case Command::Kind::kReplace: instance->Replace(); break;
    case Command::Kind::kHealthy: instance->OnHealthy(); break;
    case Command::Kind::kShutdown: break;
  }
}

void Supervisor::Impl::OnShutdownTime() {
  const Time now = context_.clock.Now();
  if (now >= stop_now_at_) {
    stop_now_at_ = kNever;
    give_up_at_ = now + kGiveUp;
    for (const auto& [key, instance] : instances_) instance->StopNow();
  }
  if (now < give_up_at_) return;
  for (const auto& [key, instance] : instances_) {
    log_.Add({LogEntry::Kind::kNote,
              key,
              LogLevel::kError,
              "a process of this plugin does not end, not even by SIGKILL; left behind",
              {}});
  }
  changed_ = true;
  instances_.clear();
}

void Supervisor::Impl::RemoveGone() {
  for (auto it = instances_.begin(); it != instances_.end();) {
    if (!it->second->gone()) {
      ++it;
      continue;
    }
    const InstanceKey key = it->first;
    it = instances_.erase(it);
    changed_ = true;
    if (options_.on_removed) options_.on_removed(key);
  }
}

void Supervisor::Impl::Publish() {
  for (const auto& [key, instance] : instances_) changed_ = instance->TakeChanged() || changed_;
  if (!changed_) return;
  changed_ = false;
  std::vector<InstanceStatus> statuses;
  for (const auto& [key, instance] : instances_) statuses.push_back(instance->Status());
  MutexLock lock(mu_);
  statuses_.swap(statuses);
}

int Supervisor::Impl::PollTimeout() const {
  Time wake = std::min(stop_now_at_, give_up_at_);
  for (const auto& [key, instance] : instances_) wake = std::min(wake, instance->NextWake());
  if (wake == kNever) return -1;
  const Duration left =
      std::clamp<Duration>(wake - context_.clock.Now(), Duration(0), std::chrono::hours(1));
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
}

void Supervisor::Impl::Poll() {
  fds_.assign(1, {mailbox_.fd(), POLLIN, 0});
  for (const auto& [key, instance] : instances_) instance->AddPollFds(&fds_);
  int timeout = PollTimeout();
  const bool init = getpid() == 1;
  if (init && (timeout < 0 || timeout > 1000)) {
    timeout = std::chrono::duration_cast<std::chrono::milliseconds>(kOrphansEvery).count();
  }
  if (poll(fds_.data(), fds_.size(), timeout) < 0) return;  // EINTR
  const pollfd* fds = fds_.data() + 1;
  for (const auto& [key, instance] : instances_) {
    instance->OnPoll(fds);
    fds += PluginProcess::kPollFds;
  }
  if (!init) return;
  launchers_.clear();
  for (const auto& [key, instance] : instances_) launchers_.push_back(instance->launcher_pid());
  ReapOrphans(launchers_);
}

absl::StatusOr<std::unique_ptr<Supervisor>> Supervisor::Create(SupervisorOptions options) {
  if (options.data_dir.empty())
    return absl::InvalidArgumentError("the supervisor needs a data folder");
  OUTBOARD_RETURN_IF_ERROR(CheckKernel());
  OUTBOARD_ASSIGN_OR_RETURN(options.launcher, FindLauncher(options.launcher));
  OUTBOARD_ASSIGN_OR_RETURN(std::unique_ptr<RunDir> run_dir,
                            RunDir::Open(options.data_dir, options.fallback_dir));
  return std::unique_ptr<Supervisor>(
      new Supervisor(std::make_unique<Impl>(std::move(options), std::move(run_dir))));
}

Supervisor::Supervisor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Supervisor::~Supervisor() = default;

absl::Status Supervisor::Start(ProgramSpec spec, int number, bool quarantine) {
  InstanceKey instance{spec.name, number, quarantine};
  return impl_->Start({Command::Kind::kStart, std::move(instance), std::move(spec), 0, {}});
}

void Supervisor::Stop(const InstanceKey& instance) {
  impl_->Post({Command::Kind::kStop, instance, {}, 0, {}});
}

void Supervisor::Kill(const InstanceKey& instance, int signal) {
  impl_->Post({Command::Kind::kKill, instance, {}, signal, {}});
}

void Supervisor::Replace(const InstanceKey& instance) {
  impl_->Post({Command::Kind::kReplace, instance, {}, 0, {}});
}

void Supervisor::ReportHealthy(const InstanceKey& instance) {
  impl_->Post({Command::Kind::kHealthy, instance, {}, 0, {}});
}

std::vector<InstanceStatus> Supervisor::Snapshot() const { return impl_->Snapshot(); }

void Supervisor::Shutdown(Duration deadline) { impl_->Shutdown(deadline); }

}  // namespace outboard::supervise
