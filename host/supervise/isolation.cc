#include "host/supervise/isolation.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/base/status.h"
#include "host/base/text.h"

namespace outboard::supervise {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kFirstOwnUser = 61184;
constexpr uid_t kOwnUsers = 65519 - kFirstOwnUser + 1;
constexpr uint32_t kCpuPeriodUs = 100'000;
constexpr uint64_t kTemporaryBytes = uint64_t{256} << 20;
constexpr int kMaxGroups = 64;
constexpr char kCgroupFix[] =
    "let the host make cgroups: run it as root, or under systemd with Delegate=yes";
constexpr char kNamespaceFix[] =
    "run the host as root, or let its user make user namespaces (sysctl "
    "user.max_user_namespaces; in a container a seccomp profile that allows unshare and mount)";

struct MeasureText {
  const char* what;
  const char* fix;
};

MeasureText TextOf(Measure measure) {
  switch (measure) {
    case Measure::kMemory: return {"limits.memory", kCgroupFix};
    case Measure::kCpu: return {"limits.cpu", kCgroupFix};
    case Measure::kProcesses: return {"limits.processes", kCgroupFix};
    case Measure::kFiles:
      return {"limits.files", "give fewer, or raise the host's own hard limit (LimitNOFILE=)"};
    case Measure::kUser: return {"sandbox.user", "run the host as root, or leave the user out"};
    case Measure::kView: return {"the read-only view of sandbox", kNamespaceFix};
    case Measure::kNetwork: return {"sandbox.network: false", kNamespaceFix};
    case Measure::kSyscalls:
      return {"sandbox.filter_syscalls",
              "use a kernel with seccomp filters, on x86-64 or arm64, or set it to false"};
    case Measure::kLandlock:
      return {"Landlock of sandbox",
              "use a kernel of 5.13 or later with landlock in its lsm= list"};
    case Measure::kNone: break;
  }
  return {"a measure", "see the launcher's log"};
}

std::string Canonical(const std::string& path) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(path, error);
  return error ? path : canonical.string();
}

bool Contains(const std::string& folder, const std::string& path) {
  return path == folder || folder == "/" || absl::StartsWith(path, folder + "/");
}

bool InTemporaryFolder(const std::string& path) {
  return Contains("/tmp", path) || Contains("/var/tmp", path) || Contains("/dev/shm", path);
}

void AddLimit(Measure measure, const std::string& folder, absl::string_view file,
              const std::string& value, IsolationPlan* plan) {
  plan->words.push_back(
      absl::StrCat("limit=", static_cast<uint32_t>(measure), ":", folder, ":", file, ":", value));
  if (std::find(plan->cgroups.begin(), plan->cgroups.end(), folder) == plan->cgroups.end()) {
    plan->cgroups.push_back(folder);
  }
}

void AddMemory(uint64_t bytes, const Controller& memory, const std::string& folder,
               IsolationPlan* plan) {
  const std::string text = absl::StrCat(bytes);
  plan->words.push_back("memory=" + text);
  if (memory.folder.empty()) return;  // the launcher watches it
  if (memory.version2) {
    AddLimit(Measure::kMemory, folder, "memory.max", text, plan);
    AddLimit(Measure::kNone, folder, "memory.swap.max", "0", plan);
    AddLimit(Measure::kNone, folder, "memory.oom.group", "1", plan);
  } else {
    AddLimit(Measure::kMemory, folder, "memory.limit_in_bytes", text, plan);
    AddLimit(Measure::kNone, folder, "memory.memsw.limit_in_bytes", text, plan);
  }
}

void AddCpu(uint32_t millis, const Controller& cpu, const std::string& folder,
            IsolationPlan* plan) {
  const std::string quota = absl::StrCat(uint64_t{millis} * kCpuPeriodUs / 1000);
  if (cpu.version2) {
    AddLimit(Measure::kCpu, folder, "cpu.max", absl::StrCat(quota, " ", kCpuPeriodUs), plan);
  } else {
    AddLimit(Measure::kNone, folder, "cpu.cfs_period_us", absl::StrCat(kCpuPeriodUs), plan);
    AddLimit(Measure::kCpu, folder, "cpu.cfs_quota_us", quota, plan);
  }
}

void PlanLimits(const Limits& limits, const Cgroups& cgroups, absl::string_view name,
                IsolationPlan* plan) {
  const auto folder = [&](const Controller& controller) {
    return absl::StrCat(controller.folder, "/outboard.", name);
  };
  if (limits.memory > 0) AddMemory(limits.memory, cgroups.memory, folder(cgroups.memory), plan);
  if (limits.cpu_millis > 0 && cgroups.cpu.folder.empty()) {
    plan->missing.push_back(DescribeUnapplied(Measure::kCpu, cgroups.cpu.problem));
  } else if (limits.cpu_millis > 0) {
    AddCpu(limits.cpu_millis, cgroups.cpu, folder(cgroups.cpu), plan);
  }
  if (limits.processes > 0 && cgroups.pids.folder.empty()) {
    plan->missing.push_back(DescribeUnapplied(Measure::kProcesses, cgroups.pids.problem));
  } else if (limits.processes > 0) {
    AddLimit(Measure::kProcesses, folder(cgroups.pids), "pids.max", absl::StrCat(limits.processes),
             plan);
  }
  if (limits.files > 0) plan->words.push_back(absl::StrCat("files=", limits.files));
}

absl::Status PlanSandbox(const Place& place, const Limits& limits, const Sandbox& sandbox,
                         IsolationPlan* plan) {
  const std::string home = Canonical(place.directory);
  std::vector<std::string>& words = plan->words;
  words.push_back(absl::StrCat("view=", limits.memory > 0 ? limits.memory : kTemporaryBytes));
  if (InTemporaryFolder(home)) words.push_back("keep=" + home);
  if (!place.socket_dir.empty()) words.push_back("write=" + Canonical(place.socket_dir));
  for (const std::string& folder : sandbox.write) {
    std::error_code error;
    if (!fs::is_directory(folder, error)) {
      return absl::FailedPreconditionError(
          absl::StrCat("plugin ", place.plugin, ": sandbox.write names ", EscapeForPeople(folder),
                       ", which is no folder; fix: make it, for the user that the plugin runs as"));
    }
    words.push_back("write=" + Canonical(folder));
  }
  std::vector<std::string> hidden = sandbox.hide;
  for (const std::string& path : sandbox.hide_more) {
    std::error_code error;
    // What came to be later would not be hidden.
    if (!fs::exists(path, error) && !error) {
      return absl::FailedPreconditionError(
          absl::StrCat("plugin ", place.plugin, ": sandbox.hide names ", EscapeForPeople(path),
                       ", which is not there; fix: make it, or remove it from the list"));
    }
    hidden.push_back(path);
  }
  for (const std::string& path : hidden) {
    if (path == "/tmp" || path == "/var/tmp" || path == "/dev/shm") continue;  // private already
    if (!Contains(Canonical(path), home)) {
      words.push_back("hide=" + Canonical(path));
      continue;
    }
    plan->missing.push_back(absl::StrCat(
        EscapeForPeople(path), " is not hidden by sandbox: the plugin's working folder ",
        EscapeForPeople(place.directory), " lies in it; fix: give it a folder of its own"));
  }
  for (const std::string& folder : sandbox.show) words.push_back("show=" + Canonical(folder));
  if (!sandbox.network) words.emplace_back("network=off");
  if (sandbox.filter_syscalls) words.emplace_back("syscalls=filter");
  words.emplace_back("landlock=on");
  words.emplace_back("capabilities=none");
  return absl::OkStatus();
}

uint32_t Bit(Measure measure) { return 1u << static_cast<uint32_t>(measure); }

uint32_t Required(const Limits& limits, const Sandbox& sandbox) {
  uint32_t mask = 0;
  if (limits.require) {
    mask |= Bit(Measure::kMemory) | Bit(Measure::kCpu) | Bit(Measure::kProcesses) |
            Bit(Measure::kFiles);
  }
  if (sandbox.require) {
    mask |= Bit(Measure::kUser) | Bit(Measure::kView) | Bit(Measure::kNetwork) |
            Bit(Measure::kSyscalls) | Bit(Measure::kLandlock);
  }
  return mask;
}

absl::Status Refuse(absl::string_view plugin, absl::string_view missing) {
  return absl::FailedPreconditionError(absl::StrCat("plugin ", plugin,
                                                    ": it requires what cannot be had: ", missing,
                                                    "; or set `require: false`"));
}

absl::Status NoUser(absl::string_view plugin, absl::string_view user) {
  return absl::InvalidArgumentError(
      absl::StrCat("plugin ", plugin, ": sandbox.user ", EscapeForPeople(user),
                   " is no user of this machine; fix: make it (useradd --system), or give its "
                   "numbers as UID:GID"));
}

// "UID" or "UID:GID".
bool ParseIds(absl::string_view text, uid_t* user, gid_t* group) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  if (parts.size() > 2 || !absl::SimpleAtoi(parts[0], user)) return false;
  *group = *user;
  return parts.size() == 1 || absl::SimpleAtoi(parts[1], group);
}

void UseUser(uid_t user, const std::vector<gid_t>& groups, std::string home, IsolationPlan* plan) {
  plan->owner = user;
  plan->group = groups[0];
  plan->home = std::move(home);
  std::string word = absl::StrCat("user=", user);
  for (size_t i = 0; i < groups.size(); ++i) {
    absl::StrAppend(&word, i == 0 ? ":" : ",", groups[i]);
  }
  plan->words.push_back(std::move(word));
}

}  // namespace

uid_t ChooseOwnUser(absl::string_view host, absl::string_view plugin, std::vector<uid_t>* taken) {
  uint32_t hash = 2166136261u;  // FNV-1a: the same in every build
  for (const char c : absl::StrCat(host, "/", plugin)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  }
  uid_t user = kFirstOwnUser + hash % kOwnUsers;
  while (std::find(taken->begin(), taken->end(), user) != taken->end() &&
         taken->size() < kOwnUsers) {
    user = kFirstOwnUser + (user - kFirstOwnUser + 1) % kOwnUsers;
  }
  taken->push_back(user);
  return user;
}

absl::StatusOr<IsolationPlan> PlanUser(absl::string_view plugin, const Sandbox& sandbox) {
  IsolationPlan plan;
  if (!sandbox.on) return plan;
  if (sandbox.user.empty()) {
    if (sandbox.own_user != 0 && geteuid() == 0) {
      UseUser(sandbox.own_user, {sandbox.own_user}, "/tmp", &plan);
    }
    return plan;
  }
  uid_t user = 0;
  gid_t group = 0;
  if (ParseIds(sandbox.user, &user, &group)) {
    UseUser(user, {group}, "/tmp", &plan);
  } else {
    const passwd* entry = getpwnam(sandbox.user.c_str());
    if (entry == nullptr) return NoUser(plugin, sandbox.user);
    user = entry->pw_uid;
    std::vector<gid_t> groups(kMaxGroups);
    int count = kMaxGroups;
    getgrouplist(sandbox.user.c_str(), entry->pw_gid, groups.data(), &count);
    groups.resize(static_cast<size_t>(std::min(std::max(count, 1), kMaxGroups)));
    UseUser(user, groups, entry->pw_dir, &plan);
  }
  // Nothing to switch, and nothing that could fail.
  if (user == geteuid() && user != 0) plan = IsolationPlan();
  return plan;
}

absl::Status PlanIsolation(const Place& place, const Limits& limits, const Sandbox& sandbox,
                           const Cgroups& cgroups, IsolationPlan* plan) {
  PlanLimits(limits, cgroups, place.name, plan);
  if (limits.require && !plan->missing.empty()) return Refuse(place.plugin, plan->missing[0]);
  const size_t before = plan->missing.size();
  if (sandbox.on) {
    OUTBOARD_RETURN_IF_ERROR(PlanSandbox(place, limits, sandbox, plan));
  }
  if (sandbox.require && plan->missing.size() > before)
    return Refuse(place.plugin, plan->missing[before]);
  const uint32_t required = Required(limits, sandbox);
  if (required != 0) plan->words.push_back(absl::StrCat("require=", required));
  return absl::OkStatus();
}

std::string DescribeUnapplied(Measure measure, absl::string_view why) {
  const MeasureText text = TextOf(measure);
  return absl::StrCat(text.what, " is not applied: ", why, "; fix: ", text.fix);
}

std::string DescribeUnapplied(const ReportPacket& report) {
  const std::string path(report.path, strnlen(report.path, sizeof(report.path)));
  return DescribeUnapplied(
      report.measure,
      absl::StrCat(std::strerror(report.error),
                   path.empty() ? "" : absl::StrCat(" (", EscapeForPeople(path), ")")));
}

}  // namespace outboard::supervise
