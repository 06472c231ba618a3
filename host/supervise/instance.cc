#include "host/supervise/instance.h"

#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/supervise/start_error.h"

namespace outboard::supervise {
namespace {

constexpr size_t kTailLines = 20;
constexpr size_t kTailBytes = 8 * 1024;
constexpr Duration kMaxHeadStart = std::chrono::seconds(1);
// A launcher that was told to kill needs at most 3 s; one that hangs is killed itself.
constexpr Duration kLauncherPatience = std::chrono::seconds(4);
// Of a socket folder's name: "XXXXXX" of mkdtemp, and the character before.
constexpr size_t kUniquePart = 7;
constexpr Duration kDroppedNoteEvery = std::chrono::seconds(1);

const char* HostVariable(const char* name) { return std::getenv(name); }

std::string Seconds(Duration d) {
  return absl::StrFormat("%.1f s", std::chrono::duration<double>(d).count());
}

}  // namespace

Instance::Instance(InstanceKey key, ProgramSpec spec, InstanceContext* context)
    : key_(std::move(key)),
      context_(context),
      spec_(std::move(spec)),
      backoff_(spec_.restart_initial, spec_.restart_max, context->random),
      limiter_(context->options.output_lines_per_second, context->options.output_bytes_per_second),
      restart_at_(context->clock.Now()),
      stderr_tail_(kTailLines, kTailBytes) {}

Instance::~Instance() {
  // Only where the supervisor gave up on it: the launcher learns by its pipes that nobody waits any
  // more.
  if (process_ != nullptr) context_->run_dir.RemoveSocketDir(socket_dir_);
}

void Instance::StartAnew(ProgramSpec spec) {
  spec_ = std::move(spec);
  backoff_ = RestartBackoff(spec_.restart_initial, spec_.restart_max, context_->random);
  if (process_ == nullptr) {
    restart_at_ = Now();
    changed_ = true;
    return;
  }
  BeginStop(Next::kSoon);
  next_ = Next::kSoon;
}

void Instance::Stop() {
  if (process_ == nullptr) {
    gone_ = true;
    return;
  }
  BeginStop(Next::kNothing);
}

void Instance::Replace() {
  if (process_ != nullptr) return BeginStop(Next::kSoon);
  restart_at_ = std::min(restart_at_, backoff_.EarliestStart(Now()));
  changed_ = true;
}

void Instance::Kill(int signal) {
  if (process_ == nullptr) return;
  requested_ = true;
  changed_ = true;
  state_ = InstanceState::kStopping;
  if (signal == SIGKILL) {
    process_->KillAll();
    hard_at_ = Now() + kLauncherPatience;
    return;
  }
  process_->Signal(signal);
  kill_at_ = std::min(kill_at_, Now() + spec_.grace);
}

void Instance::StopNow() {
  Stop();
  if (process_ == nullptr) return;
  process_->KillAll();
  term_at_ = kNever;
  kill_at_ = kNever;
  hard_at_ = std::min(hard_at_, Now() + kLauncherPatience);
}

void Instance::BeginStop(Next next) {
  // An end for good is not undone by a later Replace; StartAnew does it by itself.
  if (next_ != Next::kNothing) next_ = next;
  requested_ = true;
  changed_ = true;
  if (state_ == InstanceState::kStopping) return;
  state_ = InstanceState::kStopping;
  process_->CloseStdin();
  term_at_ = Now() + std::min(kMaxHeadStart, spec_.grace / 5);
}

void Instance::AddPollFds(std::vector<pollfd>* fds) const {
  if (process_ != nullptr) return process_->AddPollFds(fds);
  fds->insert(fds->end(), PluginProcess::kPollFds, pollfd{-1, 0, 0});
}

void Instance::OnPoll(const pollfd* fds) {
  if (process_ != nullptr && process_->OnPoll(fds, Mark())) OnProcessOver();
}

Time Instance::NextWake() const {
  const Time process = std::min({term_at_, kill_at_, hard_at_, note_dropped_at_});
  return state_ == InstanceState::kWaiting ? std::min(process, restart_at_) : process;
}

void Instance::OnTime() {
  const Time now = Now();
  if (now >= note_dropped_at_) NoteDropped();
  if (state_ == InstanceState::kWaiting) {
    if (!gone_ && now >= restart_at_) Launch();
    return;
  }
  if (now >= term_at_) {
    term_at_ = kNever;
    process_->Signal(SIGTERM);
    kill_at_ = std::min(kill_at_, now + spec_.grace);
  }
  if (now >= kill_at_) {
    kill_at_ = kNever;
    process_->KillAll();
    hard_at_ = std::min(hard_at_, now + kLauncherPatience);
  }
  if (now >= hard_at_) {
    hard_at_ = now + kLauncherPatience;
    process_->KillAllAndLauncher(Mark());
  }
}

absl::Status Instance::TryLaunch() {
  OUTBOARD_ASSIGN_OR_RETURN(plan_, PlanUser(key_.plugin, spec_.sandbox));
  OUTBOARD_ASSIGN_OR_RETURN(
      socket_dir_, context_->run_dir.MakeSocketDir(key_.Label(), plan_.owner, plan_.group));
  const std::string name =
      absl::StrCat(key_.Label(), socket_dir_.substr(socket_dir_.size() - kUniquePart));
  OUTBOARD_RETURN_IF_ERROR(PlanIsolation({key_.plugin, name, socket_dir_, spec_.directory},
                                         spec_.limits, spec_.sandbox, context_->cgroups, &plan_));
  LaunchRequest request;
  request.launcher = context_->options.launcher;
  request.label = key_.Label();
  request.directory = spec_.directory;
  request.argv = spec_.argv;
  request.core = spec_.core;
  request.environment = BuildEnvironment(
      spec_, key_, absl::StrCat("unix:", socket_dir_, "/plugin.sock"), &HostVariable);
  if (!plan_.home.empty() && spec_.env.count("HOME") == 0) request.environment["HOME"] = plan_.home;
  request.measures = plan_.words;
  OUTBOARD_ASSIGN_OR_RETURN(request.program, ResolveProgram(spec_, request.environment));
  PluginProcess::Listener listener;
  listener.on_started = [this](pid_t pid) { OnStarted(pid); };
  listener.on_line = [this](OutputStream stream, OutputLine line) {
    OnLine(stream, std::move(line));
  };
  OUTBOARD_ASSIGN_OR_RETURN(process_, PluginProcess::Spawn(request, std::move(listener)));
  // Written down before the plugin runs: from its first moment somebody would find it.
  context_->run_dir.Remember({process_->launcher(), socket_dir_, plan_.cgroups});
  process_->Go();
  return absl::OkStatus();
}

void Instance::Launch() {
  ++generation_;
  changed_ = true;
  pid_ = 0;
  requested_ = false;
  next_ = Next::kBackoff;
  term_at_ = kill_at_ = hard_at_ = restart_at_ = kNever;
  stderr_tail_ = LineTail(kTailLines, kTailBytes);
  started_at_ = Now();
  backoff_.OnStarted(started_at_);
  socket_dir_.clear();
  const absl::Status status = TryLaunch();
  if (status.ok()) {
    state_ = InstanceState::kRunning;
    return;
  }
  ProcessEnd end;
  end.start_error = std::string(status.message());
  Finish(std::move(end));
}

void Instance::OnStarted(pid_t pid) {
  pid_ = pid;
  changed_ = true;
  Note(LogLevel::kInfo, "plugin process started", {{"pid", absl::StrCat(pid)}});
  NoteUnapplied();
  if (!context_->options.on_started) return;
  context_->options.on_started(
      {key_, generation_, pid, absl::StrCat("unix:", socket_dir_, "/plugin.sock")});
}

void Instance::NoteUnapplied() {
  std::vector<std::string> unapplied = plan_.missing;
  for (const ReportPacket& report : process_->unapplied()) {
    unapplied.push_back(DescribeUnapplied(report));
  }
  if (unapplied == unapplied_) return;  // said at an earlier start
  unapplied_ = std::move(unapplied);
  for (const std::string& text : unapplied_) Note(LogLevel::kWarning, text);
}

void Instance::OnLine(OutputStream stream, OutputLine line) {
  if (stream == OutputStream::kStderr) stderr_tail_.Add(line.text);
  const Time now = Now();
  if (!limiter_.Admit(now, line.text.size())) {
    if (note_dropped_at_ == kNever) note_dropped_at_ = now + kDroppedNoteEvery;
    return;
  }
  LogEntry entry;
  entry.kind = LogEntry::Kind::kOutput;
  entry.instance = key_;
  entry.text = std::move(line.text);
  entry.fields.emplace_back("stream", stream == OutputStream::kStdout ? "stdout" : "stderr");
  if (line.cut_bytes > 0) entry.fields.emplace_back("cut_bytes", absl::StrCat(line.cut_bytes));
  context_->log.Add(std::move(entry));
}

void Instance::NoteDropped() {
  note_dropped_at_ = kNever;
  const uint64_t dropped = limiter_.TakeDropped();
  if (dropped == 0) return;
  Note(LogLevel::kWarning,
       absl::StrFormat(
           "left out %d lines of its output: it writes more than %d lines or %d bytes a second",
           dropped, context_->options.output_lines_per_second,
           context_->options.output_bytes_per_second));
}

ProcessEnd Instance::DescribeEnd() const {
  ProcessEnd end;
  if (process_->not_started().has_value()) {
    end.start_error = StartError(spec_, *process_->not_started());
    return end;
  }
  // Without a report the launcher itself was killed, and its plugin with it.
  const std::optional<ReportPacket>& report = process_->ended();
  const int status = report.has_value() ? report->wait_status : process_->launcher_wait_status();
  end.signaled = WIFSIGNALED(status);
  end.code = end.signaled ? WTERMSIG(status) : WEXITSTATUS(status);
  end.core_dumped = end.signaled && WCOREDUMP(status);
  end.max_rss_bytes = report.has_value() ? report->max_rss_bytes : 0;
  if (report.has_value() && report->memory_kill != MemoryKill::kNone) {
    end.over_memory =
        report->memory_kill == MemoryKill::kByKernel ? OverMemory::kByKernel : OverMemory::kByHost;
    end.memory_limit = spec_.limits.memory;
  }
  end.cpu = Duration(report.has_value() ? static_cast<int64_t>(report->cpu_us) : 0);
  end.ran = Now() - started_at_;
  return end;
}

void Instance::OnProcessOver() {
  ProcessEnd end = DescribeEnd();
  // The launcher has done it, unless it died before.
  for (const std::string& folder : plan_.cgroups) RemoveCgroup(folder);
  context_->run_dir.Forget(process_->launcher());
  process_.reset();
  Finish(std::move(end));
}

void Instance::Finish(ProcessEnd end) {
  if (!socket_dir_.empty()) context_->run_dir.RemoveSocketDir(socket_dir_);
  NoteDropped();
  const Time now = Now();
  end.requested = requested_;
  end.stderr_tail = RedactSecrets(stderr_tail_.Text());
  switch (next_) {
    case Next::kBackoff: restart_at_ = backoff_.OnEnded(now); break;
    case Next::kSoon: restart_at_ = backoff_.EarliestStart(now); break;
    case Next::kNothing: restart_at_ = kNever; break;
  }
  state_ = InstanceState::kWaiting;
  gone_ = next_ == Next::kNothing;
  pid_ = 0;
  term_at_ = kill_at_ = hard_at_ = kNever;
  if (!end.requested) ++ends_;
  last_end_ = end.Describe();
  changed_ = true;
  LogEnd(end, restart_at_);
  if (!context_->options.on_ended) return;
  context_->options.on_ended({key_, generation_, std::move(end), restart_at_});
}

void Instance::LogEnd(const ProcessEnd& end, Time restart_at) {
  std::vector<std::pair<const char*, std::string>> fields;
  if (restart_at != kNever) fields.emplace_back("restart_in", Seconds(restart_at - Now()));
  if (!end.start_error.empty()) {
    fields.emplace_back("by_hand", CommandByHand(spec_));
    Note(LogLevel::kError, end.start_error, std::move(fields));
    return;
  }
  fields.emplace_back("ran", Seconds(end.ran));
  fields.emplace_back("peak_memory_bytes", absl::StrCat(end.max_rss_bytes));
  Note(end.requested ? LogLevel::kInfo : LogLevel::kWarning,
       absl::StrCat(end.requested ? "plugin process stopped: " : "plugin process ended: ",
                    end.Describe()),
       std::move(fields));
}

void Instance::Note(LogLevel level, std::string text,
                    std::vector<std::pair<const char*, std::string>> fields) {
  context_->log.Add({LogEntry::Kind::kNote, key_, level, std::move(text), std::move(fields)});
}

InstanceStatus Instance::Status() const {
  InstanceStatus status;
  status.instance = key_;
  status.state = state_;
  status.generation = generation_;
  status.pid = pid_;
  if (process_ != nullptr) {
    status.address = absl::StrCat("unix:", socket_dir_, "/plugin.sock");
    status.started_at = started_at_;
  }
  if (state_ == InstanceState::kWaiting) status.restart_at = restart_at_;
  status.ends = ends_;
  status.last_end = last_end_;
  status.unapplied = unapplied_;
  return status;
}

}  // namespace outboard::supervise
