#pragma once

#include <chrono>
#include <compare>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/base/clock.h"
#include "host/supervise/isolation.h"

namespace outboard::supervise {

// How to start one plugin. A plain value; Supervisor keeps a copy per instance.
struct ProgramSpec {
  std::string name;  // the plugin's name in the config
  std::vector<std::string>
      argv;               // argv[0]: with a slash relative to `directory`, else looked up in PATH
  std::string directory;  // the process's working directory, absolute (the config file's folder)
  // Added to PATH, HOME, LANG and TZ of the host, OUTBOARD_LISTEN, OUTBOARD_PLUGIN,
  // OUTBOARD_INSTANCE and PYTHONUNBUFFERED=1. Wins over all but the OUTBOARD_ ones. Nothing else of
  // the host's environment passes.
  std::map<std::string, std::string> env;
  std::map<std::string, std::string> host_env;  // OUTBOARD_ ones; may hold secrets, never shown
  Duration grace = std::chrono::seconds(5);     // from SIGTERM to SIGKILL
  // Whether its processes may leave core files, as large as the host itself may.
  bool core = false;
  Duration restart_initial = std::chrono::milliseconds(500);
  Duration restart_max = std::chrono::seconds(30);
  Limits limits;
  Sandbox sandbox;

  bool isolated() const { return limits.any() || sandbox.on; }
};

// Which of a plugin's processes: its number, or its quarantine instance (numbered on its own, from
// 0).
struct InstanceKey {
  std::string plugin;
  int number = 0;
  bool quarantine = false;

  // "0", or "q0" for a quarantine instance: OUTBOARD_INSTANCE, and the `instance` of log lines and
  // metrics.
  std::string Instance() const;
  // "notifier.0", "notifier.q0".
  std::string Label() const;

  // NOLINTNEXTLINE(modernize-use-nullptr): there is no pointer; clang-tidy 14 misreads the default.
  friend auto operator<=>(const InstanceKey&, const InstanceKey&) = default;
};

// What a person types to run the plugin without the host:
//   cd /etc/tracker && OUTBOARD_LISTEN=unix:/tmp/notifier.sock ./venv/bin/python main.py
// With its `env`, secrets redacted, each word quoted for a POSIX shell where it must be.
std::string CommandByHand(const ProgramSpec& spec);

// `word` as one word of a POSIX shell.
std::string ShellQuote(absl::string_view word);

// INVALID_ARGUMENT if no process could ever come of `spec`: no argv, an empty or NUL-holding word,
// a variable name with '=' or NUL, an OUTBOARD_ name, a negative time.
absl::Status ValidateProgram(const ProgramSpec& spec);

// The absolute path of the file that argv[0] names, looked up as ProgramSpec says. NOT_FOUND,
// PERMISSION_DENIED or FAILED_PRECONDITION say what was tried and the fix. Reads the file system.
absl::StatusOr<std::string> ResolveProgram(const ProgramSpec& spec,
                                           const std::map<std::string, std::string>& environment);

// The whole environment of one process of `spec`, as ProgramSpec::env says. `inherited` looks a
// variable of the host up: nullptr where it has none (std::getenv outside of tests).
std::map<std::string, std::string> BuildEnvironment(const ProgramSpec& spec,
                                                    const InstanceKey& instance,
                                                    absl::string_view listen,
                                                    const char* (*inherited)(const char*));

}  // namespace outboard::supervise
