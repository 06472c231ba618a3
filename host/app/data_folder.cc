#include "host/app/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"

namespace outboard::app {
namespace {

// A host that was killed while it started a process holds its lock for a moment longer.
constexpr auto kPatience = std::chrono::seconds(1);

absl::Status Make(const std::string& path) {
  for (size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at + 1);
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), 0700) == 0 || errno == EEXIST) continue;
    return absl::PermissionDeniedError(
        absl::StrCat("cannot make the data folder ", part, ": ", strerror(errno),
                     ": set host.data to a folder that this user may write"));
  }
  return absl::OkStatus();
}

// False: another process has it.
bool Lock(int file) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return true;  // No locks here.
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

// " (pid 17)", as who holds the lock wrote; empty: nothing did.
std::string HolderOf(int file) {
  std::array<char, 16> pid{};
  const ssize_t size = pread(file, pid.data(), pid.size(), 0);
  return size > 0 ? absl::StrCat(" (pid ", absl::string_view(pid.data(), size), ")") : "";
}

}  // namespace

absl::StatusOr<DataFolder> DataFolder::Take(const std::string& path) {
  OUTBOARD_RETURN_IF_ERROR(Make(path));
  const std::string name = path + "/lock";
  DataFolder folder;
  folder.lock_.Reset(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!folder.lock_.ok()) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot use the data folder: ", name, ": ", strerror(errno),
                     ": set host.data to a folder that this user may write"));
  }
  if (!Lock(folder.lock_.get())) {
    return absl::FailedPreconditionError(
        absl::StrCat("another host", HolderOf(folder.lock_.get()), " uses the data folder ", path,
                     ": stop it, or give this one another host.data"));
  }
  const std::string pid = absl::StrCat(getpid());
  // For people alone: who cannot write it has the lock as well.
  if (ftruncate(folder.lock_.get(), 0) == 0) [[maybe_unused]]
    const ssize_t written = pwrite(folder.lock_.get(), pid.data(), pid.size(), 0);
  return folder;
}

}  // namespace outboard::app
