#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <ostream>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "host/app/cli/new/scaffold.h"
#include "host/app/cli/verbs.h"
#include "host/base/status.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

bool IsSdk(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "cpp" / "CMakeLists.txt", ignored) &&
         fs::exists(folder / "python" / "pyproject.toml", ignored);
}

fs::path ThisProgram() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored);
}

// The folder sdk that --sdk names, else that of the clone in which this program lies.
absl::StatusOr<std::string> FindSdk(const std::string& given) {
  std::error_code ignored;
  if (!given.empty()) {
    const fs::path sdk = fs::canonical(given, ignored);
    if (IsSdk(sdk)) return sdk.string();
    return absl::InvalidArgumentError(
        absl::StrCat("--sdk: ", EscapeForPeople(given),
                     " is not the SDK's: give the folder sdk of a clone of Outboard"));
  }
  const fs::path program = ThisProgram();
  for (fs::path folder = program.parent_path(); folder.has_relative_path();
       folder = folder.parent_path()) {
    if (IsSdk(folder / "sdk")) return (folder / "sdk").string();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("where is the SDK? ", EscapeForPeople(program.string()),
                   " lies in no clone of Outboard: say --sdk CLONE/sdk"));
}

// INVALID_ARGUMENT where something is there already that could be overwritten.
absl::Status CheckTarget(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(folder, error);
  if (!fs::exists(status)) {
    if (fs::is_directory(folder.parent_path(), error)) return absl::OkStatus();
    const std::string parent = EscapeForPeople(folder.parent_path().string());
    return absl::InvalidArgumentError(
        absl::StrCat("there is no folder ", parent, ": make it first, or say another --folder"));
  }
  if (fs::is_directory(status) && fs::is_empty(folder, error) && !error) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(EscapeForPeople(folder.string()),
                   fs::is_directory(status) ? " is there and not empty" : " is there and no folder",
                   ": take another name, or say --folder DIR"));
}

absl::Status Cannot(const std::string& what, const fs::path& path, const std::string& why) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot ", what, " ", EscapeForPeople(path.string()), ": ", why));
}

absl::Status WriteFiles(const fs::path& folder, const Files& files) {
  for (const auto& [name, text] : files) {
    std::ofstream file(folder / name, std::ios::binary);
    file << text;
    file.close();
    if (!file) return Cannot("write", folder / name, std::strerror(errno));
  }
  return absl::OkStatus();
}

// Gives the files in `made` their place: as `folder`, or in it where it is there and empty.
absl::Status MoveInto(const fs::path& folder, const fs::path& made, const Files& files) {
  std::error_code error;
  if (!fs::exists(folder, error)) {
    const mode_t mask = umask(0);
    umask(mask);
    chmod(made.c_str(), 0777 & ~mask);
    fs::rename(made, folder, error);
    return error ? Cannot("make", folder, error.message()) : absl::OkStatus();
  }
  for (const auto& [name, text] : files) {
    fs::rename(made / name, folder / name, error);
    if (error) return Cannot("write", folder / name, error.message());
  }
  return absl::OkStatus();
}

// Written beside `folder` first, so that nothing is there half-done.
absl::Status WriteFolder(const fs::path& folder, const Files& files) {
  std::string pattern = (folder.parent_path() / ".outboard-new-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    return Cannot("write to", folder.parent_path(), std::strerror(errno));
  }
  absl::Status status = WriteFiles(pattern, files);
  if (status.ok()) status = MoveInto(folder, pattern, files);
  std::error_code ignored;
  fs::remove_all(pattern, ignored);
  return status;
}

std::string Quoted(const std::string& word) {
  const bool plain = word.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./+@") ==
                     std::string::npos;
  return plain ? word : absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'");
}

// True if a shell that is told `outboard` finds this program.
bool IsOnPath(const fs::path& program) {
  const char* path = std::getenv("PATH");
  std::error_code ignored;
  for (absl::string_view folder : absl::StrSplit(path == nullptr ? "" : path, ':')) {
    const fs::path found = fs::path(std::string(folder)) / "outboard";
    if (fs::exists(found, ignored)) return fs::equivalent(found, program, ignored);
  }
  return false;
}

void PrintNew(const NewOptions& options, const NewPlugin& plugin, const Files& files,
              const Terminal& terminal) {
  const std::string folder = options.folder.empty() ? options.name : options.folder;
  const NextCommands next = CommandsFor(plugin);
  if (options.json) {
    Json json = {{"name", plugin.name}, {"language", plugin.language}, {"role", plugin.role},
                 {"folder", folder},    {"sdk", plugin.sdk},           {"files", Json::array()}};
    for (const auto& [name, text] : files) json["files"] += name;
    json["next"] = next.first;
    json["in_a_second_terminal"] = next.second;
    terminal.out << ToLine(json) << std::endl;
    return;
  }
  terminal.out << "made " << EscapeForPeople(folder) << ", a " << plugin.role << ":";
  for (const auto& [name, text] : files) terminal.out << " " << name;
  terminal.out << "\n\nnext:\n\n  cd " << EscapeForPeople(Quoted(folder)) << "\n";
  const fs::path program = ThisProgram();
  if (!IsOnPath(program)) {
    terminal.out << "  export PATH=" << EscapeForPeople(Quoted(program.parent_path().string()))
                 << ":$PATH\n";
  }
  for (const std::string& command : next.first) terminal.out << "  " << command << "\n";
  terminal.out << "\nand in a second terminal, in the same folder:\n\n";
  for (const std::string& command : next.second) terminal.out << "  " << command << "\n";
  terminal.out << std::flush;
}

}  // namespace

int RunNew(const NewOptions& options, const Terminal& terminal) {
  const auto make = [&]() -> absl::Status {
    OUTBOARD_RETURN_IF_ERROR(CheckPluginName(options.name));
    NewPlugin plugin{options.name, options.language, options.role, ""};
    OUTBOARD_ASSIGN_OR_RETURN(plugin.sdk, FindSdk(options.sdk));
    OUTBOARD_RETURN_IF_ERROR(CheckSdkPath(plugin.sdk));
    std::error_code ignored;
    fs::path folder = fs::absolute(options.folder.empty() ? options.name : options.folder, ignored)
                          .lexically_normal();
    if (!folder.has_filename()) folder = folder.parent_path();  // As in plugins/greeter/.
    OUTBOARD_RETURN_IF_ERROR(CheckTarget(folder));
    const Files files = ScaffoldFiles(plugin);
    OUTBOARD_RETURN_IF_ERROR(WriteFolder(folder, files));
    PrintNew(options, plugin, files, terminal);
    return absl::OkStatus();
  };
  const absl::Status status = make();
  if (status.ok()) return kOk;
  const int code = absl::IsInvalidArgument(status) ? kUsage : kFailed;
  return TellError(terminal, options.json, code, std::string(status.message()));
}

}  // namespace outboard::app
