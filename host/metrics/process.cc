#include "host/metrics/process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace outboard::metrics {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

uint64_t CountOpenFds() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  uint64_t entries = 0;
  while (readdir(folder) != nullptr) ++entries;
  closedir(folder);
  constexpr uint64_t kNotOpen = 3;  // ".", ".." and the folder itself.
  return entries > kNotOpen ? entries - kNotOpen : 0;
}

}  // namespace

ProcessUse ReadProcessUse() {
  ProcessUse use;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    use.cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
  }
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t total = 0, resident = 0;
  if (std::ifstream statm("/proc/self/statm"); statm >> total >> resident) {
    use.virtual_bytes = total * page;
    use.resident_bytes = resident * page;
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) use.max_fds = limit.rlim_cur;
  use.open_fds = CountOpenFds();
  return use;
}

}  // namespace outboard::metrics
