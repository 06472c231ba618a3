#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
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
  void Configure(LaneOptions options) { options_ = std::move(options); }
  // Keeps the order of keys: the hops behind the first get one event of a key at a time.
  bool ordered() const { return options_.first && !options_.order_by.empty(); }

  // What expires here is through only when its answer has come, or its session is over: the first
  // hop, which has the keys, does not know what is owed here.
  bool ends_when_answered() const {
    return !options_.first && !options_.order_by.empty() && !options_.fail_open &&
           !options_.observes;
  }

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
  void PushReady(Item* item);  // At the end; one that passes: not here.
  // The next of those that became ready and pass the stage; null: none. Taken in the same step.
  Item* TakePassing();
  void PushReadyInPlace(Item* item);  // By order of arrival.
  void EraseReady(Item* item);
  // The next parked item of this key joins the run that is being sent; null if there is none.
  Item* TakeParked(Key* key);
  // Back behind its key, by order of arrival: it was part of a run that failed.
  void ParkAgain(Item* item);
  // Takes all that is parked behind this key, in order of arrival; `all`: see TakeQueued.
  std::vector<Item*> TakeFollowers(Key* key, bool all);
  // Takes what stands behind the item, with no session, and so may not go before it: what is parked
  // or waits, suspects too. What is under way follows when it comes back.
  std::vector<Item*> TakeBehind(Key* key, uint64_t sequence);
  // The key of the event, while the lane has any of it; null: none.
  Key* FindKey(const Event& event);
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
  // Another one of its key that goes, or is under way, first; null: none that is here.
  static const Item* HolderOf(const Item& item);

  // ---- Bounds ----
  // How many further deliveries the lane may hold, when its sessions can take `window` together.
  uint32_t Wanted(uint64_t window) const;
  // The same by the lane's own bounds alone, whatever the next hop takes.
  uint32_t OwnRoom(uint64_t window) const;
  // Nothing of it is here, or owed by a session.
  bool empty() const { return total_ == 0 && keys_.empty(); }
  bool held_full() const { return stats.parked + stats.held >= all_.lane_held; }
  // Nothing moves, and there is no room for what could: all of it waits behind keys.
  bool jammed() const {
    return stats.ready + stats.in_flight + stats.forwarded + stats.settling == 0 && total_ > 0 &&
           OwnRoom(1) == 0;
  }
  // The same of a first hop, whatever is with the hops behind it.
  bool jammed_by_next() const {
    return ordered() && options_.next.has_value() && stats.forwarded > 0 &&
           (held_full() ||
            (stats.ready + stats.in_flight + stats.settling == 0 && OwnRoom(1) == 0));
  }
  bool paused = false;        // By a person, or before it leaves.
  bool runs_dry = false;      // It stopped, and what it has is still to go back.
  bool told_stopped = false;  // What the hops behind it were told last.
  bool told_jammed = false;   // What the hops behind it were told last.
  bool next_ended = false;    // Something came back from them in this step.
  bool first_jammed = false;  // Of another hop: what it was told last and has not acted on.
  uint64_t total() const { return total_; }
  uint64_t unsettled() const { return total_ - stats.settling; }
  uint32_t credit = 0;       // Said to the bus and not used up.
  uint32_t next_credit = 0;  // Said by the next hop and not used up.
  // What has not come as far as the next hop.
  uint64_t short_of_next() const {
    return total_ - stats.settling - stats.forwarded - stats.held - stats.parked;
  }

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

  LaneOptions options_;
  const DispatcherOptions& all_;
  std::deque<Item*> ready_;
  std::deque<Item*> passing_;
  size_t ready_bytes_ = 0;
  absl::flat_hash_map<std::string, std::unique_ptr<Key>> keys_;
  uint64_t total_ = 0;
  size_t bytes_ = 0;
  size_t typical_bytes_ = 256;  // Moving average of an event's size.
};

}  // namespace outboard::lane
