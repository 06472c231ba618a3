#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/admin/snapshot.h"
#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/base/task_thread.h"
#include "host/bus/bus.h"
#include "host/shard/status.h"

namespace outboard::app {

// Lanes that dead letters stop (`on_dead_letter: stop`). A lane begins stopped, and stops by itself
// for the letters that it makes. This finds out which letters the bus has of it: without any that
// nobody has passed it goes on, and for those that others made (another replica, the bus) it stops.
class DeadStops {
 public:
  // One of them. The functions may block, and are called on a thread of this.
  struct Lane {
    std::string name;
    std::function<absl::StatusOr<shard::LaneStops>()> stops;
    std::function<void()> stop;
    std::function<void(uint64_t stops)> go_on;  // As lane::GoOn.
  };
  // By lane: the greatest id of the dead letters that a person went on past.
  using Passed = std::map<std::string, uint64_t>;

  // Bus and clock outlive this.
  DeadStops(bus::Bus* bus, const Clock* clock, Passed passed);
  ~DeadStops();

  // ---- Any thread ----
  // Nothing more is begun, as at its end: on a broker that is away one look takes long.
  void Stop() { stopping_ = true; }
  // These it is about from now on.
  void Watch(std::vector<Lane> lanes);
  // Letters may be gone.
  void Look();
  // Goes on past the letters that there are: the greatest id of them, which `keep` has put on disk;
  // 0: the lane was not stopped, or there were none. UNAVAILABLE: try again.
  absl::StatusOr<uint64_t> Pass(const std::string& lane,
                                const std::function<absl::Status(const Passed&)>& keep);
  // By lane: the oldest letter that stops it.
  std::map<std::string, admin::StoppedBy> stopped_by() const OUTBOARD_EXCLUDES(mu_);

 private:
  struct Watched {
    Lane lane;
    bool known = false;    // Which letters there are.
    uint64_t counted = 0;  // How many the bus counted when they were looked at.
    Time looked_at{};
  };

  // On the thread.
  void LookAtAll(bool asked);
  void LookAt(Watched* watched, uint64_t counted, bool asked);
  // The oldest letter of the lane that stops it; `*total`: how many letters it has.
  absl::StatusOr<std::optional<admin::StoppedBy>> FirstOf(const std::string& lane, uint64_t* total);
  void LookLater();
  absl::StatusOr<uint64_t> PassNow(Watched* watched,
                                   const std::function<absl::Status(const Passed&)>& keep);
  std::optional<admin::StoppedBy> LetterOf(const std::string& lane) const OUTBOARD_EXCLUDES(mu_);

  std::atomic<bool> stopping_{false};
  bus::Bus* const bus_;
  const Clock* const clock_;
  // Of the thread.
  Passed passed_;
  std::vector<Watched> lanes_;
  bool looks_later_ = false;

  mutable Mutex mu_;
  std::map<std::string, admin::StoppedBy> stopped_by_ OUTBOARD_GUARDED_BY(mu_);
  TaskThread thread_;  // Ends first.
};

}  // namespace outboard::app
