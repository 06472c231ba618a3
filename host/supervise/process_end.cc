#include "host/supervise/process_end.h"

#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace outboard::supervise {

std::string SignalName(int signal) {
  const char* abbreviation = sigabbrev_np(signal);
  if (abbreviation == nullptr) return absl::StrCat("signal ", signal);
  return absl::StrCat("SIG", abbreviation);
}

std::string ProcessEnd::Describe() const {
  if (!start_error.empty()) return start_error;
  std::string text =
      signaled ? absl::StrCat("killed by ", SignalName(code)) : absl::StrCat("exited with ", code);
  if (core_dumped) text += " (core dumped)";
  if (over_memory != OverMemory::kNo) {
    const bool itself = signaled && code == SIGKILL;
    absl::StrAppend(&text, itself ? ": " : "; one of its processes was killed: ",
                    "over its memory limit of ", memory_limit >> 20, " MiB, ",
                    over_memory == OverMemory::kByKernel ? "by the kernel" : "by the host");
  } else if (signaled && code == SIGKILL && !requested) {
    text += " (not by the host: the kernel out of memory, or a person)";
  }
  return text;
}

}  // namespace outboard::supervise
