#include "host/app/socket_path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace outboard::app {
namespace {

std::string TemporaryFolder() { return absl::StrCat("/tmp/outboard-", geteuid()); }

std::string In(const std::string& folder, const std::string& name) {
  return absl::StrCat(folder, "/", name, ".sock");
}

}  // namespace

std::string SocketFolder(const config::Env& env) {
  const std::optional<std::string> runtime = env("XDG_RUNTIME_DIR");
  std::error_code error;
  if (runtime.has_value() && !runtime->empty() && runtime->front() == '/' &&
      std::filesystem::is_directory(*runtime, error)) {
    return *runtime + "/outboard";
  }
  return TemporaryFolder();
}

std::string AdminSocketPath(const config::Host& host, const config::Env& env) {
  return host.admin_socket.empty() ? In(SocketFolder(env), host.name) : host.admin_socket;
}

absl::Status MakeSocketFolder(const std::string& socket_path) {
  const std::string folder = std::filesystem::path(socket_path).parent_path().string();
  if (mkdir(folder.c_str(), 0700) == 0) return absl::OkStatus();
  if (errno != EEXIST) {
    return absl::UnavailableError(absl::StrCat("cannot make the folder ", folder, ": ",
                                               std::strerror(errno),
                                               "; make it, or set host.admin_socket"));
  }
  struct stat info {};
  if (lstat(folder.c_str(), &info) != 0 || folder != TemporaryFolder()) return absl::OkStatus();
  if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 0077) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        folder, " is not a folder of this user alone; remove it, chmod it to 0700, or set ",
        "host.admin_socket"));
  }
  return absl::OkStatus();
}

std::vector<std::string> SocketCandidates(const std::string& name, const config::Env& env) {
  std::vector<std::string> paths = {In(SocketFolder(env), name)};
  if (SocketFolder(env) != TemporaryFolder()) paths.push_back(In(TemporaryFolder(), name));
  return paths;
}

}  // namespace outboard::app
