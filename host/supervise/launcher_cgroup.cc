#include "host/supervise/launcher_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace outboard::supervise {
namespace {

// A process that was reaped leaves its cgroup a moment later.
constexpr int kRemoveTries = 100;
constexpr timespec kRemoveWait = {0, 5'000'000};

int WriteFile(const char* folder, const char* file, const char* text) {
  char path[640];
  snprintf(path, sizeof(path), "%s/%s", folder, file);
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = write(fd, text, strlen(text)) < 0 ? errno : 0;
  close(fd);
  return error;
}

// The number behind the line's first word `name`; 0 if there is none.
long ReadCounter(const char* folder, const char* file, const char* name) {
  char path[640];
  snprintf(path, sizeof(path), "%s/%s", folder, file);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[1024];
  const ssize_t n = read(fd, text, sizeof(text) - 1);
  close(fd);
  text[n > 0 ? n : 0] = '\0';
  const size_t length = strlen(name);
  for (const char* line = text; line != nullptr && *line != '\0';) {
    if (strncmp(line, name, length) == 0 && line[length] == ' ') return atol(line + length);
    line = strchr(line, '\n');
    if (line != nullptr) ++line;
  }
  return 0;
}

bool Copy(const char* from, const char* to, char* out, size_t size) {
  const size_t length = static_cast<size_t>(to - from);
  if (length >= size) return false;
  memcpy(out, from, length);
  out[length] = '\0';
  return true;
}

}  // namespace

bool ParseCgroupLimit(const char* text, CgroupLimit* limit) {
  char* folder;
  limit->measure = static_cast<Measure>(strtoul(text, &folder, 10));
  // A folder's name may hold a colon, the rest does not.
  const char* value = strrchr(text, ':');
  const char* file = value;
  while (file > folder && *--file != ':') {
  }
  if (value == nullptr || file <= folder || *folder != ':') return false;
  return Copy(folder + 1, file, limit->folder, sizeof(limit->folder)) &&
         Copy(file + 1, value, limit->file, sizeof(limit->file)) &&
         Copy(value + 1, value + strlen(value), limit->value, sizeof(limit->value));
}

int MakeCgroup(const CgroupLimit& limit) {
  if (mkdir(limit.folder, 0755) != 0 && errno != EEXIST) return errno;
  return WriteFile(limit.folder, limit.file, limit.value);
}

int JoinCgroup(const CgroupLimit& limit) { return WriteFile(limit.folder, "cgroup.procs", "0"); }

void RemoveCgroups(const LauncherOptions& options) {
  options.ForEach("limit", [](const char* text) {
    CgroupLimit limit;
    if (!ParseCgroupLimit(text, &limit)) return;
    for (int i = 0; i < kRemoveTries && rmdir(limit.folder) != 0 && errno == EBUSY; ++i) {
      nanosleep(&kRemoveWait, nullptr);
    }
  });
}

bool KernelKilledForMemory(const LauncherOptions& options) {
  bool killed = false;
  options.ForEach("limit", [&](const char* text) {
    CgroupLimit limit;
    if (!ParseCgroupLimit(text, &limit) || limit.measure != Measure::kMemory) return;
    // Version 2 and version 1.
    killed = killed || ReadCounter(limit.folder, "memory.events", "oom_kill") > 0 ||
             ReadCounter(limit.folder, "memory.oom_control", "oom_kill") > 0;
  });
  return killed;
}

}  // namespace outboard::supervise
