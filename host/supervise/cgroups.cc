#include "host/supervise/cgroups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "host/supervise/fd.h"

namespace outboard::supervise {
namespace {

constexpr char kHostCgroup[] = "outboard-host";

struct Mount {
  bool version2 = false;
  std::string root;  // of the hierarchy, as mounted here
  std::string folder;
  std::vector<std::string> controllers;  // of version 1
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// 0 or errno.
int WriteFile(const std::string& path, absl::string_view text) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.ok()) return errno;
  return write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
}

bool Has(const std::vector<std::string>& words, absl::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// A line of mountinfo: id parent major:minor ROOT FOLDER options … - TYPE source SUPER_OPTIONS.
std::optional<Mount> ParseMount(absl::string_view line) {
  const std::vector<absl::string_view> halves = absl::StrSplit(line, " - ");
  if (halves.size() != 2) return std::nullopt;
  const std::vector<std::string> left = absl::StrSplit(halves[0], ' ');
  const std::vector<std::string> right = absl::StrSplit(halves[1], ' ');
  if (left.size() < 6 || right.size() < 3) return std::nullopt;
  if (right[0] != "cgroup" && right[0] != "cgroup2") return std::nullopt;
  return Mount{right[0] == "cgroup2", left[3], left[4], absl::StrSplit(right[2], ',')};
}

// The folder of the cgroup `path`; nothing if it lies outside of what is mounted.
std::optional<std::string> FolderOf(const Mount& mount, absl::string_view path) {
  if (mount.root != "/") {
    if (!absl::StartsWith(path, mount.root)) return std::nullopt;
    path.remove_prefix(mount.root.size());
    if (!path.empty() && path[0] != '/') return std::nullopt;
  }
  if (absl::StartsWith(path, "/..")) return std::nullopt;
  if (path == "/") path = "";
  return absl::StrCat(mount.folder, path);
}

Controller FindController(const std::string& name, const std::vector<Mount>& mounts,
                          const std::vector<std::vector<std::string>>& own) {
  Controller controller;
  // Version 1 first: a controller that is mounted there is not to be had in version 2.
  for (const bool version2 : {false, true}) {
    for (const Mount& mount : mounts) {
      if (mount.version2 != version2 || (!version2 && !Has(mount.controllers, name))) continue;
      for (const std::vector<std::string>& line : own) {
        const bool mine =
            version2 ? line[0] == "0" && line[1].empty() : Has(absl::StrSplit(line[1], ','), name);
        const std::optional<std::string> folder = mine ? FolderOf(mount, line[2]) : std::nullopt;
        if (folder) return {*folder, version2, ""};
      }
    }
  }
  controller.problem = absl::StrCat("no cgroup with the controller ", name, " is mounted here");
  return controller;
}

}  // namespace

Cgroups FindCgroups(absl::string_view mountinfo, absl::string_view own) {
  std::vector<Mount> mounts;
  for (const absl::string_view line : absl::StrSplit(mountinfo, '\n')) {
    if (std::optional<Mount> mount = ParseMount(line)) mounts.push_back(*std::move(mount));
  }
  std::vector<std::vector<std::string>> lines;
  for (const absl::string_view line : absl::StrSplit(own, '\n')) {
    std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() == 3) lines.push_back(std::move(parts));
  }
  return {FindController("memory", mounts, lines), FindController("cpu", mounts, lines),
          FindController("pids", mounts, lines)};
}

std::string DelegateControllers(const std::string& folder,
                                const std::vector<std::string>& controllers) {
  const std::vector<std::string> there = absl::StrSplit(
      absl::StripAsciiWhitespace(ReadFile(absl::StrCat(folder, "/cgroup.controllers"))), ' ');
  const std::string control = absl::StrCat(folder, "/cgroup.subtree_control");
  const std::vector<std::string> given =
      absl::StrSplit(absl::StripAsciiWhitespace(ReadFile(control)), ' ');
  std::vector<std::string> wanted;
  for (const std::string& name : controllers) {
    if (!Has(there, name)) {
      return absl::StrCat("the cgroup ", folder, " does not have the controller ", name);
    }
    if (!Has(given, name)) wanted.push_back("+" + name);
  }
  if (wanted.empty()) return "";
  int error = WriteFile(control, absl::StrJoin(wanted, " "));
  if (error == EBUSY) {
    // A cgroup has processes or limits for its children, not both.
    const std::string leaf = absl::StrCat(folder, "/", kHostCgroup);
    if (mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) {
      return absl::StrCat("cannot make ", leaf, ": ", std::strerror(errno));
    }
    if (WriteFile(absl::StrCat(leaf, "/cgroup.procs"), "0") == 0) {
      error = WriteFile(control, absl::StrJoin(wanted, " "));
    }
  }
  if (error == EBUSY)
    return absl::StrCat("other processes than the host's are in the cgroup ", folder);
  return error == 0 ? "" : absl::StrCat("cannot write ", control, ": ", std::strerror(error));
}

Cgroups OpenCgroups() {
  Cgroups cgroups = FindCgroups(ReadFile("/proc/self/mountinfo"), ReadFile("/proc/self/cgroup"));
  const std::pair<const char*, Controller*> all[] = {
      {"memory", &cgroups.memory}, {"cpu", &cgroups.cpu}, {"pids", &cgroups.pids}};
  for (const auto& [name, controller] : all) {
    if (!controller->version2 || controller->folder.empty()) continue;
    controller->problem = DelegateControllers(controller->folder, {name});
    if (!controller->problem.empty()) controller->folder.clear();
  }
  return cgroups;
}

void RemoveCgroup(const std::string& folder) {
  if (!absl::StartsWith(std::filesystem::path(folder).filename().string(), "outboard.")) return;
  rmdir(folder.c_str());
}

}  // namespace outboard::supervise
