#include "host/supervise/launcher_view.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace outboard::supervise {
namespace {

constexpr int kMaxKept = 128;

// A path that stays visible: a copy of its mount, taken before anything was laid over it.
struct Kept {
  const char* path;
  bool writable;
  int tree;
};

struct KeptPaths {
  int size = 0;
  Kept items[kMaxKept];
};

// glibc 2.36 has the functions, but its header cannot stand beside the kernel's in all versions.
int OpenTree(const char* path) {
  return static_cast<int>(
      syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
}

int SetReadOnly(const char* path, bool read_only, unsigned flags) {
  mount_attr attributes = {};
  (read_only ? attributes.attr_set : attributes.attr_clr) = MOUNT_ATTR_RDONLY;
  const long result =
      syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &attributes, sizeof(attributes));
  return result == 0 ? 0 : errno;
}

[[noreturn]] void Fail(const ChildNotes& notes, const char* path) {
  notes.Fail(StartStep::kMeasure, Measure::kView, errno, path);
}

void Keep(const char* path, bool writable, const ChildNotes& notes, KeptPaths* kept) {
  if (kept->size == kMaxKept) {
    errno = E2BIG;
    Fail(notes, path);
  }
  const int tree = OpenTree(path);
  // A working folder that cannot be entered is told with the attempt to.
  if (tree < 0 && !writable) return;
  if (tree < 0) Fail(notes, path);
  kept->items[kept->size++] = {path, writable, tree};
}

// What lies over /tmp must not hide the rest of the path.
void MakeFolders(const char* path) {
  char folder[4096];
  for (size_t i = 1; i < sizeof(folder) && path[i - 1] != '\0'; ++i) {
    if (path[i] != '/' && path[i] != '\0') continue;
    memcpy(folder, path, i);
    folder[i] = '\0';
    mkdir(folder, 0755);
  }
}

void PutBack(const Kept& kept, const ChildNotes& notes) {
  MakeFolders(kept.path);
  if (syscall(SYS_move_mount, kept.tree, "", AT_FDCWD, kept.path, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    Fail(notes, kept.path);
  }
  close(kept.tree);
}

void CoverTemporaryFolders(const char* bytes, const ChildNotes& notes) {
  char how[64];
  snprintf(how, sizeof(how), "mode=1777,size=%s", bytes);
  if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, how) != 0) Fail(notes, "/tmp");
  ForEachTemporaryFolder([&](const char* path) {
    if (strcmp(path, "/tmp") == 0) return;
    if (mount("/tmp", path, nullptr, MS_BIND, nullptr) != 0 && errno != ENOENT) Fail(notes, path);
  });
}

// What is not there, or not to be reached, needs no cover.
void Hide(const char* path, const ChildNotes& notes) {
  struct stat info;
  if (stat(path, &info) != 0) return;
  const int result = S_ISDIR(info.st_mode)
                         ? mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
                         : mount("/dev/null", path, nullptr, MS_BIND, nullptr);
  if (result != 0) Fail(notes, path);
}

// `path` is `folder`, or lies in it. Both without . and the like.
bool LiesIn(const char* folder, const char* path) {
  const size_t length = strlen(folder);
  return strncmp(folder, path, length) == 0 &&
         (path[length] == '/' || path[length] == '\0' || (length > 0 && folder[length - 1] == '/'));
}

bool IsReadOnly(const char* path) {
  // By hand: the C library's statvfs reads flags, which is all that is asked here.
  return access(path, W_OK) != 0 && errno == EROFS;
}

}  // namespace

void MakeView(const LauncherOptions& options, const ChildNotes& notes) {
  // Invalid arguments on purpose: a kernel without the call says so before anything is changed.
  if (syscall(SYS_mount_setattr, -1, "", 0, nullptr, 0) != 0 && errno == ENOSYS) {
    return notes.Unapplied(Measure::kView, errno);
  }
  // What the host's side mounts later is seen, what we do here is not seen there.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    return notes.Unapplied(Measure::kView, errno);
  }
  static KeptPaths folders;
  static KeptPaths shown;
  static KeptPaths writable;
  options.ForEach("keep", [&](const char* path) { Keep(path, false, notes, &folders); });
  options.ForEach("show", [&](const char* path) { Keep(path, false, notes, &shown); });
  options.ForEach("write", [&](const char* path) {
    if (!IsReadOnly(path)) Keep(path, true, notes, &writable);
  });
  CoverTemporaryFolders(options.Get("view"), notes);
  // The working folder first, and what is writable and has something to hide; what is writable or
  // shown may lie in what is hidden.
  const auto covers = [&](const Kept& kept) {
    bool found = false;
    options.ForEach("hide", [&](const char* path) { found = found || LiesIn(kept.path, path); });
    return found;
  };
  for (int i = 0; i < folders.size; ++i) PutBack(folders.items[i], notes);
  for (int i = 0; i < writable.size; ++i) {
    if (covers(writable.items[i])) PutBack(writable.items[i], notes);
  }
  options.ForEach("hide", [&](const char* path) { Hide(path, notes); });
  for (int i = 0; i < writable.size; ++i) {
    if (!covers(writable.items[i])) PutBack(writable.items[i], notes);
  }
  for (int i = 0; i < shown.size; ++i) PutBack(shown.items[i], notes);
  if ((errno = SetReadOnly("/", true, AT_RECURSIVE)) != 0) Fail(notes, "/");
  ForEachTemporaryFolder([](const char* path) { SetReadOnly(path, false, 0); });
  for (int i = 0; i < writable.size; ++i) {
    if ((errno = SetReadOnly(writable.items[i].path, false, 0)) != 0) {
      Fail(notes, writable.items[i].path);
    }
  }
}

}  // namespace outboard::supervise
