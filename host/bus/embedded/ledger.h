#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "host/base/clock.h"

namespace outboard::bus {

// Where one queue stands in the log: which of the events that it handed out have ended. Lives on
// the writer's thread; what it says in Progress is what the file keeps. Events have a sequence
// number, from 0 in the order in which they were handed out since the queue was opened.
class Ledger {
 public:
  // What the file keeps of a queue.
  struct Progress {
    uint64_t cursor = 0;              // Nothing below it is waiting.
    uint64_t ended_to = 0;            // Between cursor and this only `unsettled` is waiting.
    uint64_t taken_to = 0;            // Below this, events may have been handed out.
    std::vector<uint64_t> unsettled;  // Ascending.
  };

  // When an event that has not ended moves to a row of its own, so that the cursor goes on: when so
  // many have ended above it, or when it is so old and the log has gone on so far. Beyond the
  // windows of plugins: ordinary work costs no row.
  struct Limits {
    uint64_t ended_above = 8192;
    uint64_t distance = 131'072;
    Duration age = std::chrono::seconds(10);
  };

  // Not open, at this place.
  Ledger(Progress at, Limits limits);

  // Begins to hand out: first what was unsettled, numbered from 0, then what follows ended_to.
  const Progress& Open(Time now);
  // Gives back all that has not ended.
  void Close();
  bool open() const { return open_; }

  // These were handed out next, about now, and all below `scanned_to` that is the queue's has been.
  void Take(const std::vector<uint64_t>& offsets, uint64_t scanned_to, Time now);
  // The offset of an event that has not ended here; 0: it has, or was never handed out.
  uint64_t Find(uint64_t seq) const;
  void End(uint64_t seq);
  // Takes End back, before Trim.
  void Unend(uint64_t seq);
  // Drops what has ended, up to the first that has not. After what ended is on disk.
  void Trim();

  Progress Now() const;
  uint64_t cursor() const;  // Now().cursor, cheaper.
  // Events that hold the cursor back by more than the limits: their sequence numbers. `pressed`:
  // the space that they keep is needed.
  std::vector<uint64_t> Stragglers(Time now, bool pressed) const;

 private:
  struct Entry {
    uint64_t offset;
    Time taken;
    bool ended;
  };

  Limits limits_;
  Progress closed_;  // Where it stands while it is not open.
  bool open_ = false;
  std::deque<Entry> entries_;
  uint64_t base_ = 0;  // Sequence number of the first entry.
  size_t ended_ = 0;   // Entries that have.
  uint64_t scanned_to_ = 0;
};

}  // namespace outboard::bus
