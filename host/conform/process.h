#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/supervise/lines.h"
#include "host/supervise/plugin_process.h"
#include "host/supervise/process_end.h"
#include "host/supervise/program.h"

namespace outboard::conform {

// One process of the plugin, launched as the host does it: through outboard-launcher, with a socket
// of its own in a fresh folder. A thread reads what it prints. Never restarted. Used by one thread.
class Process {
 public:
  // NOT_FOUND and the like: there is no such program. `show_output`: what it prints goes to
  // standard error.
  static absl::StatusOr<std::unique_ptr<Process>> Launch(const supervise::ProgramSpec& spec,
                                                         bool show_output);
  // Kills it and all that it started.
  ~Process();

  std::string address() const { return "unix:" + folder_ + "/plugin.sock"; }
  void CloseStdin() OUTBOARD_EXCLUDES(mu_);
  void Signal(int signal) OUTBOARD_EXCLUDES(mu_);
  void Kill() OUTBOARD_EXCLUDES(mu_);
  // How it ended; nothing: it did not within `patience`.
  std::optional<supervise::ProcessEnd> WaitEnd(Duration patience) OUTBOARD_EXCLUDES(mu_);
  std::optional<supervise::ProcessEnd> end() { return WaitEnd(Duration(0)); }

 private:
  Process() = default;
  void OnLine(supervise::OutputStream stream, const supervise::OutputLine& line);
  void Run();
  supervise::ProcessEnd DescribeEnd() const OUTBOARD_REQUIRES(mu_);

  std::string folder_;
  bool show_output_ = false;
  Mutex mu_;
  CondVar changed_;
  std::unique_ptr<supervise::PluginProcess> process_ OUTBOARD_GUARDED_BY(mu_);
  supervise::LineTail tail_{20, 4096};  // Of standard error; of the thread's, under mu_.
  std::optional<supervise::ProcessEnd> end_ OUTBOARD_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace outboard::conform
