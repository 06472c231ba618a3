#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "host/base/clock.h"
#include "host/lane/io.h"
#include "host/lane/item.h"
#include "host/lane/outcome_run.h"

namespace outboard::lane {

// One lane's own state: the queue of what may be sent, the keys of an ordered lane, the bounds, and
// probing. Moves items between ready and parked; everything else happens in the dispatcher.
class Lane {
 public:
  Lane(LaneOptions options, const DispatcherOptions& all);

  const LaneOptions& options() const { return options_; }
  bool ordered() const { return !options_.order_by.empty(); }

  // ---- Items: arrival and end ----
  // A new delivery: ready, or parked behind its key.
  void Admit(Item* item);
  // The item has been handed to the bus, or `given_back`; it holds its key no longer. A parked one
  // may become ready.
  void FreeKey(Item* item, bool given_back);
  // One expired delivery of this key has been answered, or its session is over.
  void FreeOwed(Key* key);
  // Makes the oldest of the key ready, if it is parked or overdue and nothing of the key is under
  // way.
  void Unblock(Key* key);
  // The item counts in the lane's totals until this.
  void Forget(const Item& item);

  // ---- The queue ----
  bool has_ready() const { return !ready_.empty(); }
  size_t ready_count() const { return ready_.size(); }
  size_t ready_bytes() const { return ready_bytes_; }  // Of the events alone.
  Item* front() const { return ready_.front(); }
  void PopFront();
  void PushReady(Item* item);         // At the end.
  void PushReadyInPlace(Item* item);  // By order of arrival.
  void EraseReady(Item* item);
  // The next parked item of this key joins the run that is being sent; null if there is none.
  Item* TakeParked(Key* key);
  // Back behind its key, by order of arrival: it was part of a run that failed.
  void ParkAgain(Item* item);
  // Takes all that is parked behind this key, in order of arrival; `all`: see TakeQueued.
  std::vector<Item*> TakeFollowers(Key* key, bool all);
  // Takes all that is ready or parked out of the lane's queues, in order of arrival; the caller
  // settles it as returned. Unless `all`, what stands before a suspect of its key stays, since
  // suspects stay.
  std::vector<Item*> TakeQueued(bool keep_one_ready, bool all);
  // Whether an older one of its run was given back, so that this one has to go back too.
  static bool FollowsBack(const Item& item) {
    return item.key != nullptr && item.sequence > item.key->back_from;
  }
  // Whether a suspect of its key is younger than the item.
  static bool StandsBeforeSuspect(const Item& item);
  // The oldest of its key, parked ones too; true also without a key.
  static bool IsOldestOfKey(const Item& item);
  // The same, and nothing of its key is under way: no other is ready or in flight, and no session
  // owes an answer.
  static bool MayGo(const Item& item);

  // ---- Bounds ----
  // How many further deliveries the lane may hold, when its sessions can take `window` together.
  uint32_t Wanted(uint64_t window) const;
  bool held_full() const { return stats.parked + stats.held >= all_.lane_held; }
  // Nothing moves, and there is no room for what could: all of it waits behind keys.
  bool jammed() const {
    return stats.ready + stats.in_flight + stats.settling == 0 && total_ > 0 && Wanted(1) == 0;
  }
  uint64_t total() const { return total_; }
  uint64_t unsettled() const { return total_ - stats.settling; }
  uint32_t credit = 0;  // Said to the bus and not used up.

  // ---- Probing ----
  struct Probe {
    bool on = false;
    Time since{};
    Time next{};  // When the next delivery may go.
    uint32_t failures = 0;
  };
  OutcomeRun outcomes;
  Probe probe;

  LaneStats stats;
  uint32_t waiting = 0;     // Items in kWaiting.
  uint32_t going_back = 0;  // Given back, and the bus has not confirmed it yet.

 private:
  Key* KeyOf(const Event& event);
  // Younger active ones follow one of this sequence back to the bus.
  static void GoBackFrom(Key* key, uint64_t sequence);
  void DropIfUnused(Key* key);

  const LaneOptions options_;
  const DispatcherOptions& all_;
  std::deque<Item*> ready_;
  size_t ready_bytes_ = 0;
  absl::flat_hash_map<std::string, std::unique_ptr<Key>> keys_;
  uint64_t total_ = 0;
  size_t bytes_ = 0;
  size_t typical_bytes_ = 256;  // Moving average of an event's size.
};

}  // namespace outboard::lane
