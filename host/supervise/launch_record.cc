#include "host/supervise/launch_record.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace outboard::supervise {
namespace {

constexpr absl::string_view kTitle = "outboard-launched 1";

bool ParseProcessId(absl::string_view pid, absl::string_view start, ProcessId* out) {
  return absl::SimpleAtoi(pid, &out->pid) && out->pid > 0 &&
         absl::SimpleAtoi(start, &out->start_ticks);
}

bool ParseLine(absl::string_view line, LaunchRecord* record) {
  const std::vector<std::string> words = absl::StrSplit(line, absl::MaxSplits(' ', 3));
  if (words[0] == "boot" && words.size() == 2) {
    return absl::CUnescape(words[1], &record->boot_id);
  }
  if (words[0] == "namespace" && words.size() == 2) {
    return absl::CUnescape(words[1], &record->pid_namespace);
  }
  if (words[0] == "host" && words.size() == 3) {
    return ParseProcessId(words[1], words[2], &record->host);
  }
  if (words[0] == "launcher" && words.size() == 4) {
    LaunchedProcess process;
    if (!ParseProcessId(words[1], words[2], &process.launcher)) return false;
    if (!absl::CUnescape(words[3], &process.socket_dir)) return false;
    record->processes.push_back(std::move(process));
    return true;
  }
  if (absl::ConsumePrefix(&line, "cgroup ") && !record->processes.empty()) {
    return absl::CUnescape(line, &record->processes.back().cgroups.emplace_back());
  }
  return false;
}

}  // namespace

std::string FormatLaunchRecord(const LaunchRecord& record) {
  std::string text = absl::StrCat(kTitle, "\nhost ", record.host.pid, " ", record.host.start_ticks,
                                  "\nboot ", absl::CEscape(record.boot_id), "\nnamespace ",
                                  absl::CEscape(record.pid_namespace), "\n");
  for (const LaunchedProcess& process : record.processes) {
    absl::StrAppend(&text, "launcher ", process.launcher.pid, " ", process.launcher.start_ticks,
                    " ", absl::CEscape(process.socket_dir), "\n");
    for (const std::string& folder : process.cgroups) {
      absl::StrAppend(&text, "cgroup ", absl::CEscape(folder), "\n");
    }
  }
  return text;
}

absl::StatusOr<LaunchRecord> ParseLaunchRecord(absl::string_view text) {
  LaunchRecord record;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (number == 1 ? line == kTitle : line.empty() || ParseLine(line, &record)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("line ", number, " is not of this version's form"));
  }
  if (record.host.pid == 0) return absl::InvalidArgumentError("it names no host");
  return record;
}

}  // namespace outboard::supervise
