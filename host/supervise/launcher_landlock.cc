#include "host/supervise/launcher_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/supervise/launcher_view.h"

namespace outboard::supervise {
namespace {

// Of later headers than the oldest that we build with.
constexpr uint64_t kRefer = uint64_t{1} << 13;     // version 2
constexpr uint64_t kTruncate = uint64_t{1} << 14;  // version 3
constexpr uint64_t kScopes = 3;                    // version 6: abstract sockets, signals

struct Ruleset {
  uint64_t files;
  uint64_t network;
  uint64_t scopes;
};

constexpr uint64_t kWrites = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                             LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                             LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                             LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                             LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

// A folder that is not there needs no rule.
int AllowWrites(int ruleset, uint64_t writes, const char* path) {
  const int fd = open(path, O_PATH | O_CLOEXEC | O_DIRECTORY);
  if (fd < 0) return 0;
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = writes;
  rule.parent_fd = fd;
  const long result = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  const int error = result != 0 ? errno : 0;
  close(fd);
  return error;
}

}  // namespace

int EnterLandlock(const LauncherOptions& options) {
  const long version =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 0) return errno;
  Ruleset attributes = {};
  attributes.files = kWrites | (version >= 2 ? kRefer : 0) | (version >= 3 ? kTruncate : 0);
  size_t size = sizeof(attributes.files);
  if (version >= 6) {
    attributes.scopes = kScopes;
    size = sizeof(attributes);
  }
  const int ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, size, 0));
  if (ruleset < 0) return errno;
  int error = 0;
  const auto allow = [&](const char* path) {
    if (error == 0) error = AllowWrites(ruleset, attributes.files, path);
  };
  options.ForEach("write", allow);
  ForEachTemporaryFolder(allow);
  allow("/dev");
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (error == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) error = errno;
  close(ruleset);
  return error;
}

}  // namespace outboard::supervise
