#include "host/supervise/file_limit.h"

namespace outboard::supervise {
namespace {

// As the limit itself, the process's own; written before other threads are there.
std::optional<rlimit> former;

}  // namespace

void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  const rlimit raised = {limit.rlim_max, limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) former = limit;
}

std::optional<rlimit> FormerFileLimit() { return former; }

}  // namespace outboard::supervise
