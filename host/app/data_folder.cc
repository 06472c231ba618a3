#include "host/app/data_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/supervise/file_lock.h"

namespace outboard::app {
namespace {

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
  absl::StatusOr<supervise::Fd> lock = supervise::TakeLock(name);
  if (absl::IsFailedPrecondition(lock.status())) {
    const supervise::Fd held(open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    return absl::FailedPreconditionError(
        absl::StrCat("another host", HolderOf(held.get()), " uses the data folder ", path,
                     ": stop it, or give this one another host.data"));
  }
  if (!lock.ok()) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot use the data folder: ", name, ": ", lock.status().message(),
                     ": set host.data to a folder that this user may write"));
  }
  DataFolder folder;
  folder.lock_ = *std::move(lock);
  const std::string pid = absl::StrCat(getpid());
  // For people alone: who cannot write it has the lock as well.
  if (ftruncate(folder.lock_.get(), 0) == 0) [[maybe_unused]]
    const ssize_t written = pwrite(folder.lock_.get(), pid.data(), pid.size(), 0);
  return folder;
}

}  // namespace outboard::app
