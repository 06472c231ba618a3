#include "host/supervise/output_log.h"

#include "absl/strings/str_cat.h"
#include "host/supervise/output_format.h"

namespace outboard::supervise {
namespace {

constexpr size_t kMaxEntries = 10'000;
constexpr size_t kMaxBytes = 8 << 20;

void Write(const LogEntry& entry) {
  std::vector<LogField> fields = {{"plugin", entry.instance.plugin},
                                  {"instance", entry.instance.Instance()}};
  for (const auto& [name, value] : entry.fields) fields.emplace_back(name, value);
  if (entry.kind == LogEntry::Kind::kNote) {
    LogWithFields(entry.level, "supervise", entry.text, fields);
    return;
  }
  const OutputRecord record = FormatOutput(entry.text);
  for (const auto& [name, value] : record.fields) fields.emplace_back(name, value);
  LogWithFields(record.level, "plugin", record.message, fields);
}

}  // namespace

OutputLog::OutputLog() : thread_([this] { Run(); }) {}

OutputLog::~OutputLog() {
  {
    MutexLock lock(mu_);
    done_ = true;
  }
  added_.NotifyOne();
  thread_.join();
}

void OutputLog::Add(LogEntry entry) {
  {
    MutexLock lock(mu_);
    if (queue_.size() >= kMaxEntries || queued_bytes_ + entry.text.size() > kMaxBytes) {
      ++dropped_;
      return;
    }
    queued_bytes_ += entry.text.size();
    queue_.push_back(std::move(entry));
  }
  added_.NotifyOne();
}

void OutputLog::Run() {
  for (;;) {
    std::deque<LogEntry> batch;
    uint64_t dropped = 0;
    {
      MutexLock lock(mu_);
      while (queue_.empty() && dropped_ == 0 && !done_) added_.Wait(mu_);
      if (queue_.empty() && dropped_ == 0) return;
      batch.swap(queue_);
      queued_bytes_ = 0;
      std::swap(dropped, dropped_);
    }
    for (const LogEntry& entry : batch) Write(entry);
    if (dropped > 0) {
      LogWarning("supervise", absl::StrCat("left out ", dropped,
                                           " lines about plugins: the log takes them too slowly"));
    }
  }
}

}  // namespace outboard::supervise
