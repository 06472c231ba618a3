#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "host/bus/embedded/inbox.h"
#include "host/bus/embedded/queue.h"

namespace outboard::bus {

// A delivery's tag says which queue it is of, by its slot in the consumer, and which of the queue.
inline constexpr int kNumberBits = 40;
inline Tag TagOf(uint32_t slot, uint64_t number) {
  return (uint64_t{slot} << kNumberBits) | (number + 1);
}
inline uint32_t SlotOf(Tag tag) { return static_cast<uint32_t>(tag >> kNumberBits); }
inline uint64_t NumberOf(Tag tag) { return (tag & ((uint64_t{1} << kNumberBits) - 1)) - 1; }

// An event that a queue owes a lane: what a delivery needs, and what it stands for.
struct Owed {
  Event event;         // Empty while it is only in the file.
  uint64_t key = 0;    // By kind; see KeyKind.
  uint64_t place = 0;  // Its offset; 0: a replayed letter.
  Time accepted_at{};
  uint32_t attempts = 0;
  KeyKind kind = KeyKind::kLog;
  bool redelivered = false;
};

// One queue as its consumer sees it: deliveries out, what came back, how far the log was read.
// Shard's thread.
class OpenQueue {
 public:
  enum class State : uint8_t { kGone, kOut, kSettling };
  struct Out {
    Owed owed;
    LaneId lane = 0;
    State state = State::kGone;
    std::string holds = {};  // Key that later events wait for: it dies, or is being parked itself.
  };
  // A lane of the queue; several only where singleton lanes share it.
  struct Outlet {
    LaneId lane = 0;
    std::string name;
    uint32_t credit = 0;
  };

  OpenQueue(uint32_t slot, Queue* queue) : slot(slot), queue(queue) {}

  const uint32_t slot;
  Queue* const queue;
  bool active = false;  // The writer said that it is ours.

  std::vector<Outlet> outlets;
  uint32_t credit = 0;  // Of all outlets.

  // What the queue takes, and what waits; checked against the queue's version.
  uint32_t version = 0;
  std::shared_ptr<const Segments> segments;
  std::shared_ptr<const Parking> parking = std::make_shared<const Parking>();

  // What events wait behind: dead letters, also those on their way to the file, and those that are
  // being parked, so that none is handed out before them.
  ParkedKeys holds;
  uint64_t parked = 0;  // Rows that wait, with those on their way there.
  bool full = false;    // The next one would have to wait, and may not: the log is read no further.
  Time rests_until{};   // The writer could not park one.
  // Endings under way that no lane asked for: they take no credit, so they have a bound of their
  // own.
  uint64_t silent = 0;
  uint64_t silent_bytes = 0;  // Of their events.

  uint64_t pos = 0;  // All below was read, unless at_tail: then the consumer's position counts.
  bool at_tail = false;
  uint64_t next_seq = 0;        // Of the ledger.
  uint32_t taken_at = 0;        // Where it was last in SettleBatch::taken.
  uint64_t maybe_below = 0;     // Events below may have been handed out before.
  Time next_due = Time::min();  // When the next held row or retry falls due, as far as known.
  std::multimap<uint64_t, Owed> returned;  // By place.
  std::multimap<Time, Owed> retrying;      // Unreliable lanes only.
  std::unordered_set<int64_t> rows_out;    // Held rows handed out.
  // Places of log events whose retry is with the writer: their rows may be there before its answer.
  std::unordered_set<uint64_t> retries_under_way;

  // It may hand out, or end, one more event. Only the beginning of a Poll or a lane's word makes it
  // so again, so what comes first stays first.
  bool ready() const { return credit > 0 && silent < kMaxSilent && silent_bytes < kMaxSilentBytes; }

  // Files a delivery; its number within this queue.
  uint64_t Add(Owed owed, LaneId lane) {
    out_.push_back({std::move(owed), lane, State::kOut});
    return base_ + out_.size() - 1;
  }
  // Null: gone.
  Out* Find(uint64_t number) {
    if (number < base_) {
      const auto it = old_.find(number);
      return it == old_.end() ? nullptr : &it->second;
    }
    if (number - base_ >= out_.size()) return nullptr;
    Out* out = &out_[number - base_];
    return out->state == State::kGone ? nullptr : out;
  }
  void Remove(uint64_t number) {
    if (number < base_) {
      old_.erase(number);
      return;
    }
    Out& out = out_[number - base_];
    out.owed.event = Event();
    out.state = State::kGone;
    ++gone_;
    while (!out_.empty() && out_.front().state == State::kGone) {
      --gone_;
      PopFront();
    }
    if (gone_ > kMaxGone) SetOldAside();
  }
  // Calls fn(number, Out&) for all that are not gone.
  template <typename Fn>
  void ForEach(Fn fn) {
    for (auto& [number, out] : old_) fn(number, out);
    for (size_t i = 0; i < out_.size(); ++i) {
      if (out_[i].state != State::kGone) fn(base_ + i, out_[i]);
    }
  }

  // The lane that gets the next delivery: they take turns. There is credit.
  Outlet& NextOutlet() {
    if (outlets.size() == 1) return outlets.front();
    do {
      turn_ = (turn_ + 1) % outlets.size();
    } while (outlets[turn_].credit == 0);
    return outlets[turn_];
  }
  void CountCredit() {
    credit = 0;
    for (const Outlet& outlet : outlets) credit += std::min<uint32_t>(outlet.credit, 1u << 24);
  }

 private:
  static constexpr uint64_t kMaxSilent = 8192;
  static constexpr uint64_t kMaxSilentBytes = 8 << 20;
  // Beyond this many gone behind an old delivery, the old ones are kept apart.
  static constexpr size_t kMaxGone = 16'384;

  void PopFront() {
    out_.pop_front();
    ++base_;
  }
  void SetOldAside() {
    while (!out_.empty() && gone_ > 0) {
      if (out_.front().state == State::kGone) {
        --gone_;
      } else {
        old_.emplace(base_, std::move(out_.front()));
      }
      PopFront();
    }
  }

  std::deque<Out> out_;
  uint64_t base_ = 0;  // Number of the first.
  size_t gone_ = 0;    // How many of out_ are.
  std::unordered_map<uint64_t, Out> old_;
  size_t turn_ = 0;
};

}  // namespace outboard::bus
