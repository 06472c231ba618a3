#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "host/admin/snapshot.h"
#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/base/task_thread.h"
#include "host/http/answer.h"

namespace outboard::http {

enum class Page { kMetrics, kReady, kStrictReady };

// Makes pages out of snapshots, on a thread of its own: a snapshot may block. At most one is taken
// at a time, and one serves all who ask while it is not older than kFresh.
class Pages {
 public:
  static constexpr Duration kFresh = std::chrono::milliseconds(100);
  static constexpr size_t kMaxWaiting = 64;

  // `clock` outlives it.
  Pages(admin::TakeSnapshot take, const Clock* clock);
  ~Pages() { Stop(); }

  // Calls `done` on the thread of the pages, unless it returns false: too many wait already, or
  // Stop was called. Any thread; never blocks.
  bool Ask(Page page, std::function<void(const Answer&)> done);
  // Answers those who wait, and takes no more.
  void Stop();

 private:
  Answer Make(Page page);
  void Refresh();

  const admin::TakeSnapshot take_;
  const Clock* const clock_;
  Mutex mu_;
  bool stopped_ OUTBOARD_GUARDED_BY(mu_) = false;
  size_t waiting_ OUTBOARD_GUARDED_BY(mu_) = 0;
  // On the thread only.
  std::optional<admin::Snapshot> snapshot_;
  Time taken_at_{};
  std::shared_ptr<const std::string> metrics_;  // Of snapshot_; null: not made yet.
  std::unique_ptr<TaskThread> thread_;
};

}  // namespace outboard::http
