#pragma once

#include <poll.h>
#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "host/supervise/fd.h"
#include "host/supervise/launch_record.h"
#include "host/supervise/launcher_protocol.h"
#include "host/supervise/lines.h"

namespace outboard::supervise {

struct LaunchRequest {
  std::string launcher;  // the file of outboard-launcher
  std::string label;     // for people who look at the process list
  std::string directory;
  std::string program;
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  bool core = false;                  // as of ProgramSpec
  std::vector<std::string> measures;  // KEY=VALUE, as launcher_protocol.h says
};

enum class OutputStream { kStdout, kStderr };

// One plugin process with its launcher: the host's ends of their pipes. Owned by an Instance, on
// the supervisor's thread; no call blocks. Destroyed before it is over, it is left to the launcher
// to end it.
class PluginProcess {
 public:
  struct Listener {
    std::function<void(pid_t)> on_started;
    std::function<void(OutputStream, OutputLine)> on_line;
  };

  // Starts the launcher; the plugin follows on Go(). Errors say what the system said.
  static absl::StatusOr<std::unique_ptr<PluginProcess>> Spawn(const LaunchRequest& request,
                                                              Listener listener);
  ~PluginProcess();

  const ProcessId& launcher() const { return launcher_; }
  void Go() { Send({CommandKind::kGo, 0}); }
  void CloseStdin() { stdin_.Reset(); }
  // To the process group.
  void Signal(int signal) { Send({CommandKind::kSignal, signal}); }
  // SIGKILL to all that the plugin started, by the launcher.
  void KillAll() { Send({CommandKind::kKillAll, 0}); }
  // The same without the launcher's help, and the launcher too. `mark`: see KillSessionAndMarked.
  void KillAllAndLauncher(const std::string& mark);

  static constexpr size_t kPollFds = 4;
  // Appends kPollFds entries.
  void AddPollFds(std::vector<pollfd>* fds) const;
  // Takes the same entries after poll(). True: the process and all that it started are gone, and
  // all that it wrote has been passed on. `mark` as above, for a launcher that died before its
  // time.
  bool OnPoll(const pollfd* fds, const std::string& mark);

  // Valid once over. What the launcher said last; none if it died before it could.
  const std::optional<ReportPacket>& ended() const { return ended_; }
  const std::optional<ReportPacket>& not_started() const { return not_started_; }
  // What the launcher could not do, all of it once the plugin has started.
  const std::vector<ReportPacket>& unapplied() const { return unapplied_; }
  // As of waitpid.
  int launcher_wait_status() const { return launcher_wait_status_; }

 private:
  struct Output {
    Fd fd;
    LineSplitter lines;
  };

  explicit PluginProcess(Listener listener) : listener_(std::move(listener)) {}

  void Send(const CommandPacket& packet);
  void ReadReports();
  // Reads at most `max_bytes`; at the end of file closes its end.
  void ReadOutput(OutputStream stream, size_t max_bytes);
  void OnLauncherEnded(const std::string& mark);

  const Listener listener_;
  ProcessId launcher_;
  Fd launcher_fd_;  // pidfd
  Fd stdin_;        // never written: its end of file is what it is for
  Fd control_;
  Output stdout_;
  Output stderr_;
  std::optional<ReportPacket> ended_;
  std::optional<ReportPacket> not_started_;
  std::vector<ReportPacket> unapplied_;
  int launcher_wait_status_ = 0;
};

}  // namespace outboard::supervise
