#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/base/status.h"
#include "host/bus/bus.h"
#include "host/bus/receipts.h"

namespace outboard::bus {

struct MemoryBusOptions {
  const Clock* clock = nullptr;           // Not owned, any thread. Required.
  uint64_t max_bytes = 256ull << 20;      // Of events waiting or dead; beyond it publishing fails.
  uint64_t keep_log_bytes = 16ull << 20;  // Of recent events, for `from` and ReadLog.
};

// A bus in plain memory, for tests and for `kind: memory`: the same meaning as every bus, kept
// until the process ends.
class MemoryBus final : public Bus {
 public:
  explicit MemoryBus(MemoryBusOptions options);
  // Consumers are gone by then. Publishes under way are still answered.
  ~MemoryBus() override;

  // From now on all that writes fails with this status, until it is OK again. For tests.
  void FailWrites(absl::Status status) OUTBOARD_EXCLUDES(mu_);

  absl::Status Declare(const std::vector<LaneSpec>& lanes) override;
  std::unique_ptr<Consumer> NewConsumer() override;
  void PublishWithReceipts(std::vector<Event> events, std::weak_ptr<ReceiptSink> sink,
                           PublishDone done) override;
  BusInfo Info() override;
  absl::StatusOr<std::vector<LaneInfo>> Lanes() override;
  absl::StatusOr<std::map<std::string, uint64_t>> DeadCounts() override;
  absl::StatusOr<Forgotten> ForgetLane(const std::string& name, Remainder remainder) override;
  absl::StatusOr<std::vector<DeadLetter>> ListDead(const DeadFilter& filter, uint64_t after,
                                                   size_t limit, uint64_t* total) override;
  absl::Status ForEachDead(const DeadFilter& filter,
                           const std::function<void(const DeadLetter&)>& visit) override;
  absl::StatusOr<Replayed> ReplayBatch(const DeadFilter& filter, size_t limit) override;
  absl::Status EditDead(uint64_t id, const Event& event) override;
  absl::StatusOr<uint64_t> PurgeDead(const DeadFilter& filter) override;
  absl::StatusOr<std::vector<LoggedEvent>> ReadLog(uint64_t from, size_t limit) override;
  absl::StatusOr<FoundEvents> FindEvents(const absl::flat_hash_set<std::string>& ids) override;
  uint64_t NextOffset() override;

 private:
  friend class MemoryConsumer;

  // An event in a queue. `place` is its offset; replayed letters keep that of their event.
  struct Item {
    Event event;
    uint64_t place = 0;
    Time accepted_at{};
    uint32_t attempts = 0;
    bool redelivered = false;
    std::string history = {};  // As in attempts.h.
    Event original = {};       // Where `event` is an edited one.
  };
  // What one lane, or several singleton lanes of one filter, consume.
  struct Queue {
    std::vector<route::Filter> filters;
    bool reliable = true;
    bool takes_new = true;
    uint64_t begin = 0;                     // Takes events from this offset on,
    Time not_before{};                      // accepted then or later.
    std::multimap<uint64_t, Item> waiting;  // By place.
    std::multimap<Time, Item> retrying;     // By due time.
    std::multiset<Time> in_flight;          // When each was accepted.
    std::set<class MemoryConsumer*> open;
  };
  struct Lane {
    LaneSpec spec;
    std::shared_ptr<Queue> queue;  // Shared by singleton lanes of one filter.
    bool orphan = false;
    bool open = false;
  };
  struct PublishCall {
    std::vector<Event> events;
    std::weak_ptr<ReceiptSink> sink;
    PublishDone done;
  };

  void Run() OUTBOARD_EXCLUDES(mu_);
  absl::Status Accept(const Event& event, uint64_t reserve, PublishResult* result)
      OUTBOARD_REQUIRES(mu_);
  bool Takes(const Queue& queue, const LoggedEvent& logged) const OUTBOARD_REQUIRES(mu_);
  void Begin(Queue* queue, const From& from) OUTBOARD_REQUIRES(mu_);
  void Orphan(Lane* lane) OUTBOARD_REQUIRES(mu_);
  bool OthersUse(const Queue* queue, const Lane* lane, bool declared_only) const
      OUTBOARD_REQUIRES(mu_);
  void AddDead(const std::string& lane, Item item, uint32_t attempts, DeadReason why)
      OUTBOARD_REQUIRES(mu_);
  // The event with what the settlement adds to its history.
  static Item Tried(Item item, const Settlement& settlement);
  absl::Status Settle(const std::string& lane, Queue* queue, const Item& item,
                      Settlement* settlement) OUTBOARD_REQUIRES(mu_);
  // A settlement was made: keeps where a producer put the event. Who is to be told `receipt`.
  Receipts::Listener Record(const std::string& lane, uint64_t place, const Settlement& settlement,
                            Receipt* receipt) OUTBOARD_REQUIRES(mu_);
  std::vector<uint64_t> FindDead(const DeadFilter& filter) const OUTBOARD_REQUIRES(mu_);
  void Exhume(uint64_t id) OUTBOARD_REQUIRES(mu_);
  void Wake(const Queue& queue) OUTBOARD_REQUIRES(mu_);
  LaneInfo Describe(const Lane& lane) const OUTBOARD_REQUIRES(mu_);
  std::vector<Standing> StandingsOf(const LoggedEvent& logged) const OUTBOARD_REQUIRES(mu_);

  const MemoryBusOptions options_;
  Mutex mu_;
  CondVar work_;
  bool stop_ OUTBOARD_GUARDED_BY(mu_) = false;
  absl::Status fail_ OUTBOARD_GUARDED_BY(mu_);
  std::deque<PublishCall> calls_ OUTBOARD_GUARDED_BY(mu_);
  std::deque<LoggedEvent> log_ OUTBOARD_GUARDED_BY(mu_);
  Receipts receipts_ OUTBOARD_GUARDED_BY(mu_);
  uint64_t log_bytes_ OUTBOARD_GUARDED_BY(mu_) = 0;
  uint64_t next_offset_ OUTBOARD_GUARDED_BY(mu_) = 1;
  Time last_accepted_ OUTBOARD_GUARDED_BY(mu_){};
  std::map<std::string, Lane> lanes_ OUTBOARD_GUARDED_BY(mu_);
  std::map<uint64_t, DeadLetter> dead_ OUTBOARD_GUARDED_BY(mu_);
  uint64_t next_dead_ OUTBOARD_GUARDED_BY(mu_) = 1;
  uint64_t held_bytes_ OUTBOARD_GUARDED_BY(mu_) = 0;
  std::thread thread_;
};

}  // namespace outboard::bus
