#pragma once

#include <string>

namespace outboard::app {

// The exit codes of every verb; documented in docs/reference/commands.md and never changed.
enum ExitCode : int {
  kOk = 0,
  kFailed = 1,       // It was tried and did not succeed.
  kUsage = 2,        // The command line or the configuration is wrong; nothing was tried.
  kUnreachable = 3,  // No host answers.
};

struct ServeOptions {
  std::string config;  // As --config says; empty: ResolveConfigPath decides.
  bool json = false;   // The log is JSON whatever the configuration says.
};

struct CheckOptions {
  std::string config;  // As above.
  bool json = false;   // The answer is JSON on standard output.
  bool plugins =
      true;  // Also start (or dial) each plugin once and ask what it thinks of its config.
  bool broker = true;  // Also ask the broker for its version, if there is one.
};

// Runs the host until it is told to stop. An ExitCode.
int RunServe(const ServeOptions& options);
// Says all that is wrong with a configuration. An ExitCode.
int RunCheck(const CheckOptions& options);

}  // namespace outboard::app
