#include "host/supervise/find_launcher.h"

#include <unistd.h>

#include <climits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "host/base/text.h"

namespace outboard::supervise {

absl::StatusOr<std::string> FindLauncher(const std::string& given) {
  std::vector<std::string> candidates = {given};
  if (given.empty()) {
    char self[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof(self));
    std::string dir(self, n > 0 ? static_cast<size_t>(n) : 0);
    dir.resize(dir.rfind('/') == std::string::npos ? 0 : dir.rfind('/'));
    candidates = {dir + "/outboard-launcher", dir + "/../libexec/outboard/outboard-launcher"};
  }
  for (const std::string& path : candidates) {
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return absl::NotFoundError(absl::StrCat("no program outboard-launcher at ",
                                          EscapeForPeople(candidates[0]),
                                          "; fix: install it beside the outboard program"));
}

}  // namespace outboard::supervise
