#include "host/supervise/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "absl/status/status.h"

namespace outboard::supervise {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);

}  // namespace

absl::StatusOr<Fd> TakeLock(const std::string& path) {
  Fd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.ok()) return absl::PermissionDeniedError(std::strerror(errno));
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) break;  // No locks here.
    if (std::chrono::steady_clock::now() >= until)
      return absl::FailedPreconditionError("another has the lock");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return lock;
}

}  // namespace outboard::supervise
