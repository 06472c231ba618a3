#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "host/app/commands.h"
#include "host/app/host.h"
#include "host/base/log.h"
#include "host/config/reader.h"
#include "host/supervise/file_limit.h"

namespace outboard::app {
namespace {

// Blocks the signals that serve waits for, in this and all later threads; children get them back
// from the launcher.
sigset_t BlockSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

// Waits for SIGINT or SIGTERM.
void WaitForStop(const sigset_t& set, Host* host) {
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (signal == SIGHUP) {
      LogInfo("app", "reloading the config", {{"signal", "SIGHUP"}});
      host->ReloadLater();
      continue;
    }
    LogInfo("app", "draining", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
    return;
  }
}

// A second signal during the drain ends the process at once.
void ExitOnSecondSignal(const sigset_t& set) {
  std::thread([set] {
    int signal = SIGHUP;
    while (signal == SIGHUP) sigwait(&set, &signal);
    LogWarning("app", "a second signal: exiting at once; what was not settled comes again");
    _exit(kFailed);
  }).detach();
}

}  // namespace

int RunServe(const ServeOptions& options) {
  const std::string path = config::ResolveConfigPath(options.config);
  config::ReadResult read = config::ReadConfigFile(path);
  if (!read.ok()) {
    for (const config::ConfigProblem& problem : read.problems) std::cerr << problem.text() << "\n";
    std::cerr << "nothing was started: " << read.problems.size()
              << (read.problems.size() == 1 ? " problem" : " problems") << " in " << path << "\n";
    return kUsage;
  }
  const sigset_t signals = BlockSignals();
  supervise::RaiseFileLimit();
  const config::Config& config = read.config;
  InitLog(options.json ? LogFormat::kJson : config.host.log_format, config.host.log_level);
  for (const config::ConfigProblem& warning : read.warnings) LogWarning("config", warning.text());
  absl::StatusOr<std::unique_ptr<Host>> host = Host::Start(config);
  if (!host.ok()) {
    LogError("app", absl::StrCat("cannot start: ", host.status().message()));
    return kFailed;
  }
  LogInfo("app", "serving",
          {{"host", config.host.name},
           {"version", OUTBOARD_VERSION},
           {"admin", (*host)->admin_socket()},
           {"http", (*host)->http_address()},
           {"grpc", (*host)->grpc_address()},
           {"pid", std::to_string(getpid())}});
  WaitForStop(signals, host->get());
  ExitOnSecondSignal(signals);
  const bool clean = (*host)->Drain();
  host->reset();
  LogInfo("app", clean
                     ? "stopped"
                     : "stopped; the bus did not confirm everything in time: the rest comes again");
  return clean ? kOk : kFailed;
}

}  // namespace outboard::app
