#pragma once

#include <map>
#include <string>
#include <vector>

#include "host/base/mutex.h"
#include "host/lane/known_suspect.h"

namespace outboard::shard {

// The file of the data folder in which dispatchers' known suspects outlive the host. What is
// written survives the end of the process; a loss of power may take it. Any thread.
class SuspectFile {
 public:
  // Reads the file. One that is not of this version is as good as none.
  explicit SuspectFile(std::string path);

  std::vector<lane::KnownSuspect> Of(const std::string& plugin) const OUTBOARD_EXCLUDES(mu_);
  // Replaces those of this plugin. A failure is logged.
  void Write(const std::string& plugin, std::vector<lane::KnownSuspect> suspects)
      OUTBOARD_EXCLUDES(mu_);

 private:
  const std::string path_;
  mutable Mutex mu_;
  std::map<std::string, std::vector<lane::KnownSuspect>> by_plugin_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::shard
