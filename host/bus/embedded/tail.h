#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/event/event.h"

namespace outboard::bus {

// The newest events of the log, in memory: who keeps up gets them from here right after the commit,
// without reading the file again. Bounded by bytes; the oldest go first.
class Tail {
 public:
  // What one transaction added to the log.
  struct Chunk {
    uint64_t first = 0;
    Time accepted_at{};
    std::vector<Event> events;
    size_t bytes = 0;

    uint64_t end() const { return first + events.size(); }
  };

  void Start(uint64_t next) { next_.store(next); }
  // The writer, after the commit.
  void Append(std::shared_ptr<const Chunk> chunk) OUTBOARD_EXCLUDES(mu_);
  // The offset that the next event will get: all below is committed.
  uint64_t next() const { return next_.load(); }
  // The chunk that has this offset; null: it is only in the file, or nowhere yet.
  std::shared_ptr<const Chunk> Find(uint64_t offset) OUTBOARD_EXCLUDES(mu_);

 private:
  std::atomic<uint64_t> next_{1};
  std::atomic<uint64_t> first_{
      kNothing};  // Offset of the oldest; spares the lock to who is far behind.
  Mutex mu_;
  std::deque<std::shared_ptr<const Chunk>> chunks_ OUTBOARD_GUARDED_BY(mu_);
  size_t bytes_ OUTBOARD_GUARDED_BY(mu_) = 0;

  static constexpr uint64_t kNothing = ~0ull;
};

}  // namespace outboard::bus
