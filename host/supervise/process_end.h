#pragma once

#include <cstdint>
#include <string>

#include "host/base/clock.h"

namespace outboard::supervise {

// Who saw that an instance's processes used more memory than their limit, and killed them.
enum class OverMemory { kNo, kByKernel, kByHost };

// How one process of an instance ended. A plain value.
struct ProcessEnd {
  // Not empty: the program never ran. What failed, where and the fix; the fields below are then
  // zero.
  std::string start_error;
  bool signaled = false;
  int code = 0;  // the signal's number if signaled, else the exit code
  bool core_dumped = false;
  // The host asked for this end (Stop, Replace, Kill, Shutdown): no crash, whatever `code` says.
  bool requested = false;
  std::string stderr_tail;  // the last lines on standard error, escaped and with secrets redacted
  uint64_t max_rss_bytes = 0;  // peak memory of the largest of its processes
  OverMemory over_memory = OverMemory::kNo;
  uint64_t memory_limit = 0;
  Duration cpu{0};  // user and system time of it and the children that it waited for
  Duration ran{0};  // from its start to its end

  // For people: "killed by SIGSEGV", "exited with 3", or the start_error.
  std::string Describe() const;
};

// "SIGSEGV"; "signal 77" for one without a name.
std::string SignalName(int signal);

}  // namespace outboard::supervise
