#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/bus/bus.h"
#include "host/bus/embedded/ledger.h"
#include "host/bus/parked_keys.h"

namespace outboard::bus {

class Inbox;

inline constexpr uint64_t kNoEnd = std::numeric_limits<uint64_t>::max();

// Which events of the log a queue takes. A queue has several when its filters changed or it was an
// orphan for a while.
struct Segment {
  uint64_t begin = 0;
  uint64_t end = kNoEnd;  // Exclusive.
  Time not_before{};
  std::vector<route::Filter> filters;
};
using Segments = std::vector<Segment>;  // Ascending, apart.

// What one lane consumes, or several singleton lanes of one filter. Made by the writer, never
// destroyed before the bus.
class Queue {
 public:
  Queue(int64_t id, bool reliable, Ledger ledger, Segments segments)
      : id(id), reliable(reliable), ledger(std::move(ledger)) {
    SetSegments(std::move(segments));
  }

  const int64_t id;
  const bool reliable;

  // Any thread. A changed version tells consumers to look again.
  std::shared_ptr<const Segments> segments() const OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return segments_;
  }
  std::shared_ptr<const Parking> parking() const OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return parking_;
  }
  void SetParking(const Parking& parking) OUTBOARD_EXCLUDES(mu_) {
    {
      MutexLock lock(mu_);
      if (*parking_ == parking) return;
      parking_ = std::make_shared<const Parking>(parking);
    }
    version_.fetch_add(1, std::memory_order_release);
  }
  uint32_t version() const { return version_.load(std::memory_order_acquire); }
  void SetSegments(Segments segments) OUTBOARD_EXCLUDES(mu_) {
    {
      MutexLock lock(mu_);
      segments_ = std::make_shared<const Segments>(std::move(segments));
    }
    version_.fetch_add(1, std::memory_order_release);
  }

  // Any thread. Of an unreliable queue: events for it since it was opened that have not ended.
  std::atomic<int64_t> in_memory{0};
  // Any thread: as in LaneInfo.
  std::atomic<bool> park_full{false};

  // The rest belongs to the writer's thread.
  struct Counts {
    uint64_t backlog = 0;
    uint64_t held = 0;
    uint64_t parked = 0;  // Of the held ones; counted from the file.
  };
  Counts now;    // With the transaction under way.
  Counts saved;  // On disk.
  bool dirty = false;
  bool gone = false;        // Forgotten: nothing of it is written any more.
  uint64_t takes_from = 0;  // Of the segment that takes new events.
  Time not_before{};
  uint32_t matched_now = 0;  // Unreliable: by the transaction under way.
  Ledger ledger;
  ParkedKeys letters;  // Dead letters that events of their keys wait behind.
  // Deliveries under way whose event moved to a row of its own: sequence number to row.
  std::unordered_map<uint64_t, int64_t> moved;
  // Who consumes it, and who would if that one closed it.
  struct Holder {
    std::shared_ptr<Inbox> inbox;
    uint32_t slot = 0;
  };
  Holder holder;
  std::vector<Holder> waiting;

 private:
  mutable Mutex mu_;
  std::shared_ptr<const Segments> segments_ OUTBOARD_GUARDED_BY(mu_);
  std::shared_ptr<const Parking> parking_ OUTBOARD_GUARDED_BY(mu_) =
      std::make_shared<const Parking>();
  std::atomic<uint32_t> version_{0};
};

// A lane by name.
struct Lane {
  std::string name;
  Mode mode = Mode::kPool;
  bool reliable = true;
  bool declared = false;
  Queue* queue = nullptr;
  bool open = false;  // By some consumer.
};

// The lanes of a bus. Changed by the writer's thread (`open` also by consumers), read by any.
class Catalog {
 public:
  Mutex& mu() OUTBOARD_TS(lock_returned(mu_)) { return mu_; }
  std::map<std::string, Lane>& lanes() OUTBOARD_REQUIRES(mu_) { return lanes_; }

 private:
  Mutex mu_;
  std::map<std::string, Lane> lanes_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::bus
