#include "host/bus/embedded/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace outboard::bus {

absl::StatusOr<LockFile> LockFile::Take(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return absl::UnavailableError(absl::StrCat(path, ": ", strerror(errno),
                                               ": check that this user may write to the folder"));
  }
  LockFile file(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = {};
    const ssize_t size = pread(fd, pid, sizeof pid - 1, 0);
    const std::string holder = size > 0 ? std::string(absl::StripSuffix(pid, "\n")) : "unknown";
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": the bus is in use by process ", holder,
                     ": stop it, or give this host another data folder"));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  // Only for people: a full disk must not keep the host from starting.
  if (ftruncate(fd, 0) == 0 && pwrite(fd, pid.data(), pid.size(), 0) < 0) errno = 0;
  return file;
}

LockFile::~LockFile() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace outboard::bus
