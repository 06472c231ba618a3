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
  if (!signaled) return absl::StrCat("exited with ", code);
  std::string text = absl::StrCat("killed by ", SignalName(code));
  if (core_dumped) text += " (core dumped)";
  if (code == SIGKILL && !requested) {
    text += " (not by the host: the kernel out of memory, or a person)";
  }
  return text;
}

}  // namespace outboard::supervise
