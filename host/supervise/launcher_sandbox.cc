#include "host/supervise/launcher_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/supervise/launcher_cgroup.h"
#include "host/supervise/launcher_landlock.h"
#include "host/supervise/launcher_syscalls.h"
#include "host/supervise/launcher_view.h"

namespace outboard::supervise {
namespace {

constexpr int kMaxGroups = 64;
constexpr int kCapabilities = 64;  // more than there are

void LimitFiles(const LauncherOptions& options, const ChildNotes& notes) {
  const char* files = options.Get("files");
  if (files == nullptr) return;
  const rlim_t count = strtoul(files, nullptr, 10);
  const rlimit limit = {count, count};
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) notes.Unapplied(Measure::kFiles, errno);
}

// So that not even a program that becomes root, in this user namespace or the first, has any.
void DropCapabilities(const LauncherOptions& options) {
  if (!options.Has("capabilities")) return;
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int i = 0; i < kCapabilities; ++i) prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return;
  data[0].inheritable = data[1].inheritable = 0;
  syscall(SYS_capset, &header, data);
}

// 0 or errno.
int BecomeUser(const char* ids) {
  gid_t groups[kMaxGroups];
  int count = 0;
  char* rest;
  const uid_t user = static_cast<uid_t>(strtoul(ids, &rest, 10));
  while (*rest != '\0' && count < kMaxGroups) {
    groups[count++] = static_cast<gid_t>(strtoul(rest + 1, &rest, 10));
  }
  if (count == 0) return EINVAL;
  if (setgroups(static_cast<size_t>(count), groups) != 0) return errno;
  if (setresgid(groups[0], groups[0], groups[0]) != 0) return errno;
  if (setresuid(user, user, user) != 0) return errno;
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // its own files in /proc stay its own
  return 0;
}

void SwitchUser(const LauncherOptions& options, const ChildNotes& notes) {
  DropCapabilities(options);
  const char* ids = options.Get("user");
  const int error = ids != nullptr ? BecomeUser(ids) : 0;
  if (error != 0) notes.Unapplied(Measure::kUser, error);
}

int WriteProc(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = write(fd, text, strlen(text)) < 0 ? errno : 0;
  close(fd);
  return error;
}

// A user namespace in which we may make others; we keep user and group. 0 or errno.
int MakeUserNamespace() {
  char users[64];
  char groups[64];
  snprintf(users, sizeof(users), "%u %u 1", geteuid(), geteuid());
  snprintf(groups, sizeof(groups), "%u %u 1", getegid(), getegid());
  if (unshare(CLONE_NEWUSER) != 0) return errno;
  WriteProc("/proc/self/setgroups", "deny");
  if (const int error = WriteProc("/proc/self/uid_map", users); error != 0) return error;
  return WriteProc("/proc/self/gid_map", groups);
}

// Programs talk to themselves over the loopback device.
void RaiseLoopback() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request = {};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  ioctl(fd, SIOCSIFFLAGS, &request);
  close(fd);
}

// 0 or errno. `user_switched` becomes true where that had to come first: without privileges
// namespaces are the user's own.
int Unshare(int what, const LauncherOptions& options, const ChildNotes& notes,
            bool* user_switched) {
  if (unshare(what) == 0) return 0;
  if (errno != EPERM || *user_switched) return errno;
  SwitchUser(options, notes);
  *user_switched = true;
  const int error = MakeUserNamespace();
  if (error != 0) return error;
  return unshare(what) == 0 ? 0 : errno;
}

}  // namespace

ChildNotes::ChildNotes(int fd, const LauncherOptions& options) : fd_(fd) {
  const char* mask = options.Get("require");
  if (mask != nullptr) required_ = static_cast<uint32_t>(strtoul(mask, nullptr, 10));
}

void ChildNotes::Write(const ChildNote& note, const char* path) const {
  ChildNote whole = note;
  snprintf(whole.path, sizeof(whole.path), "%.255s", path);
  [[maybe_unused]] const ssize_t n = write(fd_, &whole, sizeof(whole));
}

void ChildNotes::Unapplied(Measure measure, int error, const char* path) const {
  // Memory without a cgroup is watched by the launcher, which hears of it by this.
  const uint32_t fatal = required_ & ~(1u << static_cast<uint32_t>(Measure::kMemory));
  if ((fatal & (1u << static_cast<uint32_t>(measure))) != 0) {
    Fail(StartStep::kMeasure, measure, error, path);
  }
  Write({false, StartStep::kMeasure, measure, error, {}}, path);
}

void ChildNotes::Fail(StartStep step, Measure measure, int error, const char* path) const {
  Write({true, step, measure, error, {}}, path);
  _exit(127);
}

bool TakeMeasures(const LauncherOptions& options, const ChildNotes& notes) {
  JoinCgroups(options, [&](Measure measure, int error, const char* folder) {
    notes.Unapplied(measure, error, folder);
  });
  LimitFiles(options, notes);
  bool user_switched = false;
  bool local_sockets_only = false;
  if (options.Has("view")) {
    const int error = Unshare(CLONE_NEWNS, options, notes, &user_switched);
    if (error != 0) notes.Unapplied(Measure::kView, error);
    if (error == 0) MakeView(options, notes);
  }
  if (options.Has("network")) {
    local_sockets_only = Unshare(CLONE_NEWNET, options, notes, &user_switched) != 0;
    if (!local_sockets_only) RaiseLoopback();
  }
  if (!user_switched) SwitchUser(options, notes);
  DropCapabilities(options);  // those of a user namespace of its own
  if (options.Has("landlock")) {
    const int error = EnterLandlock(options);
    if (error != 0) notes.Unapplied(Measure::kLandlock, error);
  }
  return local_sockets_only;
}

void SealSyscalls(const LauncherOptions& options, bool local_sockets_only,
                  const ChildNotes& notes) {
  if (local_sockets_only) {
    const int error = ForbidOtherSockets();
    if (error != 0) notes.Unapplied(Measure::kNetwork, error);
  }
  if (options.Has("syscalls")) {
    const int error = ForbidSyscalls();
    if (error != 0) notes.Unapplied(Measure::kSyscalls, error);
  }
}

}  // namespace outboard::supervise
