#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "host/base/log.h"
#include "host/base/mutex.h"
#include "host/supervise/program.h"

namespace outboard::supervise {

// One line for the host's log, from a plugin or about one.
struct LogEntry {
  enum class Kind { kOutput, kNote };  // kOutput: `text` is a line of the plugin, still to be read
  Kind kind = Kind::kNote;
  InstanceKey instance;
  LogLevel level = LogLevel::kInfo;  // of a note
  std::string text;
  std::vector<std::pair<const char*, std::string>> fields;
};

// Writes to the host's log on a thread of its own, so that a log that nobody reads stops neither
// the supervisor nor, through its pipes, a plugin. Bounded: what does not fit is counted, and told
// later.
class OutputLog {
 public:
  OutputLog();
  // Writes what was added before.
  ~OutputLog();
  OutputLog(const OutputLog&) = delete;
  OutputLog& operator=(const OutputLog&) = delete;

  // Any thread, never blocks.
  void Add(LogEntry entry) OUTBOARD_EXCLUDES(mu_);

 private:
  void Run() OUTBOARD_EXCLUDES(mu_);

  Mutex mu_;
  CondVar added_;
  std::deque<LogEntry> queue_ OUTBOARD_GUARDED_BY(mu_);
  size_t queued_bytes_ OUTBOARD_GUARDED_BY(mu_) = 0;
  uint64_t dropped_ OUTBOARD_GUARDED_BY(mu_) = 0;
  bool done_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace outboard::supervise
