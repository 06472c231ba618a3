#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/config/config.h"
#include "host/config/problem.h"

namespace outboard::config {

// Looks up an environment variable; nothing if it is not set.
using Env = std::function<std::optional<std::string>(const std::string& name)>;

// The environment of this process.
Env ProcessEnv();

// What reading gave. With problems, `config` holds what could be read and defaults elsewhere: good
// enough to find a running host by, not to start one.
struct ReadResult {
  Config config;
  std::vector<ConfigProblem> problems;  // All of them, in the order of the file.
  std::vector<ConfigProblem> warnings;  // Allowed, but probably not what was meant.
  bool ok() const { return problems.empty(); }
};

// Reads the file at `path`. Values of ${ENV} and ${file:...} that may be secrets are registered
// with the log (AddLogSecret). Does not throw; the only files it opens are `path`, those named in
// ${file:...}, and the kernel's core_pattern where a plugin may leave core files.
ReadResult ReadConfigFile(const std::string& path, const Env& env = ProcessEnv());

// The same from text; `path` names it in problems, and its folder is where relative paths start.
ReadResult ReadConfigText(absl::string_view text, const std::string& path,
                          const Env& env = ProcessEnv());

// Which file to read: --config if given, else $OUTBOARD_CONFIG, else ./outboard.yaml.
std::string ResolveConfigPath(absl::string_view flag, const Env& env = ProcessEnv());

}  // namespace outboard::config
