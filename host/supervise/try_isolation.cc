#include "host/supervise/try_isolation.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/supervise/plugin_process.h"
#include "host/supervise/start_error.h"

namespace outboard::supervise {
namespace {

// Far more than the launcher needs; a machine that is this slow says at the real start what is
// amiss.
constexpr auto kPatience = std::chrono::seconds(10);

// Until it is over, or for too long.
void Await(PluginProcess* process, const std::string& mark) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  std::vector<pollfd> fds;
  do {
    fds.clear();
    process->AddPollFds(&fds);
    poll(fds.data(), fds.size(), 100);
    if (process->OnPoll(fds.data(), mark)) return;
  } while (std::chrono::steady_clock::now() < until);
}

}  // namespace

absl::Status TryIsolation(const std::string& launcher, const ProgramSpec& spec,
                          const Cgroups& cgroups) {
  static std::atomic<int> count = 0;
  if (!spec.isolated() || (!spec.limits.require && !spec.sandbox.require)) return absl::OkStatus();
  OUTBOARD_ASSIGN_OR_RETURN(IsolationPlan plan, PlanUser(spec.name, spec.sandbox));
  const std::string name = absl::StrCat("try.", getpid(), ".", ++count);
  OUTBOARD_RETURN_IF_ERROR(PlanIsolation({spec.name, name, /*socket_dir=*/"", spec.directory},
                                         spec.limits, spec.sandbox, cgroups, &plan));
  LaunchRequest request;
  request.launcher = launcher;
  request.label = name;
  request.directory = "/";
  request.program = "/";
  request.argv = {"none"};
  const std::string listen = absl::StrCat("none:", name);
  request.environment = {{"OUTBOARD_LISTEN", listen}};
  request.measures = plan.words;
  request.measures.emplace_back("dry=on");
  const PluginProcess::Listener nobody{[](pid_t) {}, [](OutputStream, const OutputLine&) {}};
  OUTBOARD_ASSIGN_OR_RETURN(std::unique_ptr<PluginProcess> process,
                            PluginProcess::Spawn(request, nobody));
  process->Go();
  Await(process.get(), absl::StrCat("OUTBOARD_LISTEN=", listen));
  const std::optional<ReportPacket>& failed = process->not_started();
  if (!failed.has_value() || failed->step != StartStep::kMeasure) return absl::OkStatus();
  return absl::FailedPreconditionError(StartError(spec, *failed));
}

}  // namespace outboard::supervise
