#include "host/supervise/launcher_memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

namespace outboard::supervise {
namespace {

// A plugin of more processes than this has not all of them counted.
constexpr int kMaxProcesses = 8192;

struct Queue {
  int size = 0;
  pid_t pids[kMaxProcesses];
};

ssize_t ReadWhole(const char* path, char* text, size_t size) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  size_t length = 0;
  ssize_t n = 0;
  while (length + 1 < size && (n = read(fd, text + length, size - 1 - length)) > 0) {
    length += static_cast<size_t>(n);
  }
  close(fd);
  text[length] = '\0';
  return static_cast<ssize_t>(length);
}

// The children of one thread. False: there is no such file.
bool AddChildren(pid_t pid, const char* thread, Queue* queue) {
  static char text[64 * 1024];
  char path[128];
  snprintf(path, sizeof(path), "/proc/%d/task/%s/children", static_cast<int>(pid), thread);
  if (ReadWhole(path, text, sizeof(text)) < 0) return false;
  char* rest = text;
  for (;;) {
    char* end;
    const long child = strtol(rest, &end, 10);
    if (end == rest) return true;
    if (queue->size < kMaxProcesses) queue->pids[queue->size++] = static_cast<pid_t>(child);
    rest = end;
  }
}

void AddChildrenOfThreads(pid_t pid, Queue* queue) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/task", static_cast<int>(pid));
  DIR* threads = opendir(path);
  if (threads == nullptr) return;  // it ended
  while (const dirent* entry = readdir(threads)) {
    if (entry->d_name[0] != '.') AddChildren(pid, entry->d_name, queue);
  }
  closedir(threads);
}

uint64_t ResidentPages(pid_t pid) {
  char path[64];
  char text[256];
  snprintf(path, sizeof(path), "/proc/%d/statm", static_cast<int>(pid));
  unsigned long pages = 0;
  if (ReadWhole(path, text, sizeof(text)) <= 0 || sscanf(text, "%*u %lu", &pages) != 1) return 0;
  return pages;
}

}  // namespace

bool MemoryOfDescendants(uint64_t* bytes) {
  static Queue queue;
  queue.size = 0;
  char self[16];
  snprintf(self, sizeof(self), "%d", static_cast<int>(getpid()));
  if (!AddChildren(getpid(), self, &queue)) return false;
  uint64_t pages = 0;
  for (int i = 0; i < queue.size; ++i) {
    pages += ResidentPages(queue.pids[i]);
    AddChildrenOfThreads(queue.pids[i], &queue);
  }
  *bytes = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return true;
}

}  // namespace outboard::supervise
