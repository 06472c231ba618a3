#include "host/supervise/program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "host/base/log.h"
#include "host/base/text.h"

namespace outboard::supervise {
namespace {

constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool HasNul(absl::string_view text) { return text.find('\0') != absl::string_view::npos; }

// 0, or the errno for which `path` cannot be executed.
int WhyNotExecutable(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return errno;
  if (S_ISDIR(info.st_mode)) return EISDIR;
  return faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

absl::Status CannotRun(const ProgramSpec& spec, const std::string& path, int error) {
  const std::string what =
      absl::StrCat("plugin ", spec.name, ": cannot run ", EscapeForPeople(path));
  if (error == EACCES) {
    return absl::PermissionDeniedError(
        absl::StrCat(what, ": no permission to execute it; fix: chmod +x ", ShellQuote(path),
                     ", or name its interpreter first in `run`"));
  }
  if (error == EISDIR) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": it is a folder; fix: name the program in it in `run`"));
  }
  return absl::NotFoundError(absl::StrCat(
      what, ": no such file; fix: check the first word of `run` (a path with a slash starts at ",
      EscapeForPeople(spec.directory), "), or build or install the plugin"));
}

}  // namespace

std::string InstanceKey::Instance() const { return absl::StrCat(quarantine ? "q" : "", number); }

std::string InstanceKey::Label() const { return absl::StrCat(plugin, ".", Instance()); }

std::string ShellQuote(absl::string_view word) {
  const bool bare = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || absl::StrContains("_@%+=:,./-", c);
  });
  if (bare) return std::string(word);
  return absl::StrCat("'", absl::StrJoin(absl::StrSplit(word, '\''), "'\\''"), "'");
}

std::string CommandByHand(const ProgramSpec& spec) {
  std::string command = absl::StrCat("cd ", ShellQuote(spec.directory), " &&");
  for (const auto& [name, value] : spec.env) {
    absl::StrAppend(&command, " ", name, "=", ShellQuote(value));
  }
  absl::StrAppend(&command, " OUTBOARD_LISTEN=", ShellQuote("unix:/tmp/" + spec.name + ".sock"));
  // A first word with '=' would be read as one more variable.
  for (size_t i = 0; i < spec.argv.size(); ++i) {
    const bool assigns = i == 0 && absl::StrContains(spec.argv[i], '=');
    absl::StrAppend(&command, " ", assigns ? "env -- " : "", ShellQuote(spec.argv[i]));
  }
  return RedactSecrets(command);
}

absl::Status ValidateProgram(const ProgramSpec& spec) {
  const std::string where = absl::StrCat("plugin ", EscapeForPeople(spec.name), ": ");
  if (spec.name.empty()) return absl::InvalidArgumentError("a plugin to launch needs a name");
  if (spec.argv.empty() || spec.argv[0].empty()) {
    return absl::InvalidArgumentError(
        where + "`run` is empty; fix: list the program and its arguments, as in run: [./worker]");
  }
  if (spec.directory.empty() || spec.directory[0] != '/' || HasNul(spec.directory)) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, "its working folder must be an absolute path, not \"",
                     EscapeForPeople(spec.directory), "\""));
  }
  if (std::any_of(spec.argv.begin(), spec.argv.end(), [](const auto& w) { return HasNul(w); })) {
    return absl::InvalidArgumentError(where + "`run` holds a NUL byte; fix: remove it");
  }
  for (const auto& [name, value] : spec.env) {
    if (name.empty() || absl::StrContains(name, '=') || HasNul(name) || HasNul(value)) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, "env \"", EscapeForPeople(name), "\" can be no environment variable: names are ",
          "not empty and hold no '=', and neither name nor value holds a NUL byte"));
    }
    if (absl::StartsWith(name, "OUTBOARD_")) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, "env ", EscapeForPeople(name),
                       ": names with OUTBOARD_ are the host's; fix: rename it"));
    }
  }
  if (spec.grace < Duration(0) || spec.restart_initial < Duration(0) ||
      spec.restart_max < spec.restart_initial) {
    return absl::InvalidArgumentError(
        where + "grace and restart times must not be negative, nor restart max below initial");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ResolveProgram(const ProgramSpec& spec,
                                           const std::map<std::string, std::string>& environment) {
  const std::string& program = spec.argv[0];
  if (absl::StrContains(program, '/')) {
    const std::string path =
        program[0] == '/' ? program : absl::StrCat(spec.directory, "/", program);
    const int error = WhyNotExecutable(path);
    if (error != 0) return CannotRun(spec, path, error);
    return path;
  }
  const auto it = environment.find("PATH");
  const std::string search = it == environment.end() ? kDefaultPath : it->second;
  std::string forbidden;
  for (const absl::string_view folder : absl::StrSplit(search, ':')) {
    // As in a shell, an empty entry is the working folder, and a relative one starts there.
    std::string path = absl::StrCat(folder, folder.empty() ? "" : "/", program);
    if (path[0] != '/') path = absl::StrCat(spec.directory, "/", path);
    const int error = WhyNotExecutable(path);
    if (error == 0) return path;
    if (error == EACCES && forbidden.empty()) forbidden = path;
  }
  if (!forbidden.empty()) return CannotRun(spec, forbidden, EACCES);
  return absl::NotFoundError(
      absl::StrCat("plugin ", spec.name, ": no program ", EscapeForPeople(program), " in PATH (",
                   EscapeForPeople(search), "); fix: install it, or give its path, as ./",
                   EscapeForPeople(program)));
}

std::map<std::string, std::string> BuildEnvironment(const ProgramSpec& spec,
                                                    const InstanceKey& instance,
                                                    absl::string_view listen,
                                                    const char* (*inherited)(const char*)) {
  std::map<std::string, std::string> environment = {{"PATH", kDefaultPath},
                                                    {"PYTHONUNBUFFERED", "1"}};
  for (const char* name : {"PATH", "HOME", "LANG", "TZ"}) {
    if (const char* value = inherited(name); value != nullptr) environment[name] = value;
  }
  for (const auto& [name, value] : spec.env) environment[name] = value;
  for (const auto& [name, value] : spec.host_env) environment[name] = value;
  environment["OUTBOARD_LISTEN"] = std::string(listen);
  environment["OUTBOARD_PLUGIN"] = spec.name;
  environment["OUTBOARD_INSTANCE"] = instance.Instance();
  return environment;
}

}  // namespace outboard::supervise
