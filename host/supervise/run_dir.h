#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/supervise/fd.h"
#include "host/supervise/launch_record.h"

namespace outboard::supervise {

// The folder `run` in the host's data folder: one private folder per running process for its
// socket, the record of what was launched, and the lock that keeps a second host out. One thread.
class RunDir {
 public:
  // Makes and locks the folder, and clears away what a dead predecessor left: processes, then
  // sockets. Errors as Supervisor::Create.
  static absl::StatusOr<std::unique_ptr<RunDir>> Open(const std::string& data_dir,
                                                      const std::string& fallback_dir);
  ~RunDir();

  // A new empty folder, mode 0700, such that <folder>/plugin.sock fits a unix socket's address. One
  // for another user (`owner` not 0) lies in the fallback folder, which that user can reach.
  absl::StatusOr<std::string> MakeSocketDir(absl::string_view label, uid_t owner = 0,
                                            gid_t group = 0);
  // Removes one that MakeSocketDir made, and all in it.
  void RemoveSocketDir(const std::string& dir);

  // Writes down that `process` runs, or no longer does. A disk that is full only weakens the net:
  // logged.
  void Remember(LaunchedProcess process);
  void Forget(const ProcessId& launcher);

 private:
  RunDir(std::string dir, std::string fallback_dir, Fd lock);

  absl::Status ClearPredecessor();
  void RemoveLeftovers(const LaunchRecord& record);
  void WriteRecord();

  const std::string dir_;
  const std::string fallback_dir_;
  const Fd lock_;
  bool sockets_work_ = false;  // not on every mounted file system
  bool write_failed_ = false;
  LaunchRecord record_;
};

}  // namespace outboard::supervise
