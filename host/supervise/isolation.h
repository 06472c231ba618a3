#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/supervise/cgroups.h"
#include "host/supervise/launcher_protocol.h"

namespace outboard::supervise {

// What the processes of one instance may use, all together. 0: as much as the host may.
struct Limits {
  uint64_t memory = 0;      // bytes
  uint32_t cpu_millis = 0;  // thousandths of a CPU
  uint32_t processes = 0;   // each thread counts
  uint32_t files = 0;       // open ones, of each process
  bool require = false;     // not without them

  bool any() const { return memory > 0 || cpu_millis > 0 || processes > 0 || files > 0; }
  bool by_cgroup() const { return memory > 0 || cpu_millis > 0 || processes > 0; }
};

// What a plugin is kept away from.
struct Sandbox {
  bool on = false;
  // A name, UID, or UID:GID. Empty: where the host is root, `own_user`; else the host's own.
  std::string user;
  uid_t own_user = 0;                  // 0: none
  std::vector<std::string> write;      // folders that it may write to, absolute
  std::vector<std::string> hide;       // files and folders of the host, absolute
  std::vector<std::string> hide_more;  // as well, by the plugin's config: these must be there
  std::vector<std::string> show;       // folders that it sees all the same, read-only
  bool network = false;
  bool filter_syscalls = true;
  bool require = false;  // not without all of it
};

// The users that plugins get which need one of their own: out of 61184 to 65519, as systemd has
// them; the same plugin of the same host gets the same one. `taken` holds those given out before,
// and gets this one.
uid_t ChooseOwnUser(absl::string_view host, absl::string_view plugin, std::vector<uid_t>* taken);

// How a process of a plugin is confined.
struct IsolationPlan {
  std::vector<std::string> words;    // for the launcher
  std::vector<std::string> cgroups;  // that it makes
  std::vector<std::string> missing;  // for people: what cannot be had, known before it is tried
  uid_t owner = 0;                   // of the socket's folder, where it is not the host's
  gid_t group = 0;
  std::string home;  // of that user; empty: the host's
};

// The user that a sandboxed plugin runs as: only owner, group, home and a word of a plan.
// INVALID_ARGUMENT: there is no such user.
absl::StatusOr<IsolationPlan> PlanUser(absl::string_view plugin, const Sandbox& sandbox);

// One process of a plugin: what its plan is for.
struct Place {
  std::string plugin;
  std::string name;        // of its cgroups, unique
  std::string socket_dir;  // stays writable; empty: none
  std::string directory;   // stays visible
};

// Adds the rest. FAILED_PRECONDITION with the fix: a required measure cannot be had, or a folder is
// not there.
absl::Status PlanIsolation(const Place& place, const Limits& limits, const Sandbox& sandbox,
                           const Cgroups& cgroups, IsolationPlan* plan);

// For people: "limits.cpu is not applied: Permission denied (/sys/fs/…); fix: …".
std::string DescribeUnapplied(Measure measure, absl::string_view why);
std::string DescribeUnapplied(const ReportPacket& report);

}  // namespace outboard::supervise
