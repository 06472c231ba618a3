#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/bus/found_events.h"
#include "host/bus/settlement.h"
#include "host/event/event.h"
#include "host/route/filter.h"

// The port to event buses: what every bus does for the host, held by the contract suite in
// tests/contract.
namespace outboard::bus {

enum class Mode { kPool, kSingleton, kBroadcast };

// Where a lane that the bus has not seen before begins.
struct From {
  enum class Kind { kNext, kFirst, kLast, kOffset, kTime };
  Kind kind = Kind::kNext;
  uint64_t offset = 0;  // kOffset: the first event that it gets.
  Time time{};          // kTime: the first event accepted then or later.

  friend bool operator==(const From&, const From&) = default;
};

// What of a lane waits behind its dead letters.
struct Parking {
  std::string by;           // Attribute whose value is the key; empty: nothing waits.
  uint64_t limit = 10'000;  // Events that may wait. Beyond it ...
  bool bury = false;  // ... one becomes a dead letter, PARK_FULL; else the lane takes no more.

  friend bool operator==(const Parking&, const Parking&) = default;
};

struct LaneSpec {
  std::string name;  // "route/target"; unique on the bus; keeps its state under this name.
                     // kSingleton: still the lane's own.
  std::vector<route::Filter> filters;  // Takes an event if any of them does.
  Mode mode = Mode::kPool;
  // false: nothing is kept while no consumer has the lane open, and retries are not kept either.
  bool reliable = true;
  // Its events go to one consumer at a time, so that their order means something to a cluster.
  bool ordered = false;
  From from;
  // Only the embedded bus can; reliable, and not kSingleton. Once an event became a dead letter, no
  // later one of its key is handed out until it was replayed or purged; then they come in the order
  // of the bus, the replayed one first.
  Parking parking = {};
};

// One event handed to one lane: settled exactly once, or given back when its consumer goes.
struct Delivery {
  LaneId lane = 0;
  Tag tag = 0;
  Event event;
  uint32_t attempts = 0;     // Counted attempts before this one.
  bool redelivered = false;  // May have been handed out before.
  Time accepted_at{};        // When the bus accepted the event.
};

struct Arrivals {
  std::vector<Delivery> deliveries;
  std::vector<Settled> settled;

  void Clear() {
    deliveries.clear();
    settled.clear();
  }
};

// One shard's side of a bus. Everything on the shard's thread; nothing blocks for longer than a
// read of local disk. Destroying it gives back all that is unsettled; settlements handed over
// before are still made.
class Consumer {
 public:
  virtual ~Consumer() = default;

  // Readable (poll) when Poll has something.
  virtual int fd() const = 0;
  // Begins to consume a declared lane, with no credit yet. `lane` is not open already.
  // An unreliable lane may get only what is published a little later, as another machine has to
  // make it first: what counts it as `matched`. NOT_FOUND: not declared. FAILED_PRECONDITION: open
  // elsewhere in a way that the mode forbids.
  virtual absl::Status Open(LaneId lane, const std::string& name) = 0;
  // Stops and gives back what is unsettled; settlements handed over before are still made and
  // reported.
  virtual void Close(LaneId lane) = 0;
  // From now on at most `more` further deliveries on this lane until the next call; each delivery
  // uses up one.
  virtual void SetCredit(LaneId lane, uint32_t more) = 0;
  // Hands a settlement over; made together with its neighbours, answered by a Settled in a later
  // Poll. Settlements of one key's deliveries take effect in the order of the calls.
  virtual void Settle(Settlement settlement) = 0;
  // Sends on what Settle gathered and appends what has arrived. Never waits. Order on a lane: bus
  // order, except for deliveries that come again: a returned one before what was not yet handed
  // out, a retry when due.
  virtual void Poll(Time now, Arrivals* out) = 0;
  // When Poll has something to do though fd() is not readable: the next retry falls due. kNever:
  // nothing.
  virtual Time NextDue() const = 0;
};

struct PublishResult {
  // OK: the bus has it, as durably as it is configured. RESOURCE_EXHAUSTED: full. UNAVAILABLE:
  // later.
  absl::Status status;
  uint32_t matched = 0;    // How many declared lanes take a copy.
  uint32_t reporting = 0;  // With a ReceiptSink: how many of these tell it their end.
  uint64_t offset = 0;     // Its place in the log, rising; 0: the bus has none.
};

struct LaneInfo {
  std::string name;
  bool orphan = false;  // Not declared any more: takes no new events, keeps what it has.
  uint64_t backlog =
      0;  // Accepted for this lane and not ended, retrying ones included, dead letters not.
  uint64_t retrying = 0;       // Of these: waiting for a retry.
  uint64_t dead = 0;           // Dead letters now.
  uint64_t parked = 0;         // Of the backlog: waiting behind dead letters of their keys.
  uint64_t parked_keys = 0;    // So many keys.
  bool park_full = false;      // No more may, and the next one has to: the lane takes nothing more.
  std::optional<Time> oldest;  // When the oldest of the backlog was accepted.
  // false: the bus cannot tell backlog and dead letters.
  bool counted = true;
  // How old these numbers are; nothing: they are of now.
  std::optional<Duration> age = std::nullopt;
};

// Which dead letters; what is empty or unset takes all.
struct DeadFilter {
  std::string lane = {};
  std::string reason = {};
  std::vector<uint64_t> ids = {};
  std::string route = {};    // The lane's name before its first slash,
  std::string target = {};   // and after it.
  std::string version = {};  // DeadReason::version.
  std::string group = {};    // DeadGroup::key.
  std::string type = {};     // Topic pattern; checked.
  // Values in text form; an event without the attribute is not taken.
  std::vector<std::pair<std::string, std::string>> attributes = {};
  std::optional<Time> died_after = std::nullopt;   // Then or later.
  std::optional<Time> died_before = std::nullopt;  // Earlier.
  uint64_t after = 0;                              // Ids above this one.
  uint64_t up_to = 0;                              // Ids up to this one; 0: all.
};

struct DeadLetter {
  uint64_t id = 0;  // Rising.
  std::string lane;
  Event event;  // Empty if the bytes could not be decoded; then `raw` has them.
  std::string raw;
  DeadReason why;
  Time died_at{};
  Time accepted_at{};
  uint32_t attempts = 0;
  uint64_t offset = 0;                // Of the event in the log; 0: not known.
  std::vector<Attempt> history = {};  // Oldest first; the newest ones where there were many.
  Event edited = {};                  // What a replay gives back instead; empty: `event`.
  uint64_t waiting = 0;               // Parked events of its key that stand behind it.
};

// What became of letters that were to be given back.
struct Replayed {
  uint64_t count = 0;   // Given back.
  uint64_t stayed = 0;  // Their lanes are orphans or forgotten.
  uint64_t last = 0;    // The greatest id of both; 0: there were none.
};

// What deliveries and queues become on a broker that is not ours; for people.
struct SettlementInfo {
  struct Row {
    std::string end;                      // "retry"
    std::string lanes;                    // "ordered, unreliable"; empty: all.
    std::vector<std::string> operations;  // In order: "publish to rung", "ack".
  };
  struct Queue {
    std::string queue;    // "dead letters"
    std::string made_as;  // "durable, x-queue-type quorum"
  };
  std::string basis;  // "quorum queues, RabbitMQ 3.10.8"; empty: nothing to tell.
  bool run = false;   // Else it is what the broker's documentation says.
  std::vector<Row> rows;
  std::vector<Queue> queues;
  std::vector<std::string> notes;  // What is to be known on this broker.
};

struct BusInfo {
  std::string kind;      // "embedded", "memory", "rabbitmq".
  std::string location;  // For people, without secrets.
  bool connected = false;
  uint64_t bytes = 0;                 // Held; 0: unknown.
  uint64_t events = 0;                // Held; 0: unknown.
  std::vector<std::string> warnings;  // What needs a person, with the fix.
  SettlementInfo settlement;
};

// What becomes of the events of a lane that is forgotten.
enum class Remainder { kRefuse, kDiscard, kToDead };
struct Forgotten {
  uint64_t discarded = 0;
  uint64_t to_dead = 0;
};

// A bus. All methods on any thread, except that Consumers belong to their shard.
class Bus {
 public:
  using PublishDone = std::function<void(std::vector<PublishResult>)>;

  virtual ~Bus() = default;

  // Says which lanes there are. New ones begin at their `from`; ones that are known and not named
  // become orphans; an orphan that is named again goes on where it stopped, without what was
  // accepted in between. Blocks until that is on disk. ALREADY_EXISTS: two lanes of one name.
  virtual absl::Status Declare(const std::vector<LaneSpec>& lanes) = 0;
  virtual std::unique_ptr<Consumer> NewConsumer() = 0;

  // Accepts checked events in order; `done` gets one result each, on a thread of the bus, where it
  // must not block. Never blocks the caller, who bounds what is under way.
  void Publish(std::vector<Event> events, PublishDone done) {
    PublishWithReceipts(std::move(events), std::weak_ptr<ReceiptSink>(), std::move(done));
  }
  // The same; each lane tells `sink`, as long as there is one, how it ended each event. A lane that
  // the bus keeps nothing of (not reliable) does not, nor does one on another host after a cut.
  virtual void PublishWithReceipts(std::vector<Event> events, std::weak_ptr<ReceiptSink> sink,
                                   PublishDone done) = 0;

  // The rest may block: not on a shard's thread.
  virtual BusInfo Info() = 0;
  virtual absl::StatusOr<std::vector<LaneInfo>> Lanes() = 0;
  // By lane: how many dead letters it has, as `dead` in Lanes(), which costs far more. A lane that
  // is not counted is not in it.
  virtual absl::StatusOr<std::map<std::string, uint64_t>> DeadCounts() = 0;
  // NOT_FOUND: no such lane. FAILED_PRECONDITION: declared, or kRefuse with events left (says how
  // many).
  virtual absl::StatusOr<Forgotten> ForgetLane(const std::string& name, Remainder remainder) = 0;
  // Letters with id > after, ascending, at most `limit`; `*total` is how many match in all.
  virtual absl::StatusOr<std::vector<DeadLetter>> ListDead(const DeadFilter& filter, uint64_t after,
                                                           size_t limit, uint64_t* total) = 0;
  // Calls `visit` for all letters that there are, in any order, without keeping them.
  virtual absl::Status ForEachDead(const DeadFilter& filter,
                                   const std::function<void(const DeadLetter&)>& visit) = 0;
  // Gives letters back to the lanes that gave them up, attempts from 0; returns how many. It is
  // about those that there are when it is called: one that dies meanwhile, for the second time too,
  // stays. Letters of lanes that are orphans or forgotten stay: FAILED_PRECONDITION if the filter
  // names such a lane or id.
  absl::StatusOr<uint64_t> ReplayDead(const DeadFilter& filter) {
    absl::StatusOr<Replayed> replayed = ReplayBatch(filter, SIZE_MAX);
    if (!replayed.ok()) return replayed.status();
    return replayed->count;
  }
  // The same of the `limit` (> 0) letters of the least ids; fewer: there are no more.
  virtual absl::StatusOr<Replayed> ReplayBatch(const DeadFilter& filter, size_t limit) = 0;
  // What a replay gives back in place of a letter's event, which the letter keeps; an empty one:
  // its event again. `event` is checked, and of the same source and type. NOT_FOUND: no such
  // letter. FAILED_PRECONDITION: no lane gave it up, so it cannot be edited.
  virtual absl::Status EditDead(uint64_t id, const Event& event) = 0;
  // Deletes letters for good; returns how many. About those that there are when it is called.
  virtual absl::StatusOr<uint64_t> PurgeDead(const DeadFilter& filter) = 0;
  // Events with offset >= from in order, at most `limit`; without what cannot be decoded.
  virtual absl::StatusOr<std::vector<LoggedEvent>> ReadLog(uint64_t from, size_t limit) = 0;
  // The events of these ids in all that the bus keeps but dead letters, and how lanes stand to
  // them by the filters that they have now. Reads the whole log.
  virtual absl::StatusOr<FoundEvents> FindEvents(const absl::flat_hash_set<std::string>& ids) = 0;
  // Offset that the next accepted event will get.
  virtual uint64_t NextOffset() = 0;
};

}  // namespace outboard::bus
