#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/event/event.h"
#include "host/route/filter.h"

// The port to event buses: what every bus does for the host, held by the contract suite in
// tests/contract.
namespace outboard::bus {

// Number of a lane within one Consumer, chosen by the consumer's owner.
using LaneId = uint32_t;
// Names one delivery on one Consumer; never 0, never reused by it.
using Tag = uint64_t;

enum class Mode { kPool, kSingleton, kBroadcast };

// Where a lane that the bus has not seen before begins.
struct From {
  enum class Kind { kNext, kFirst, kLast, kOffset, kTime };
  Kind kind = Kind::kNext;
  uint64_t offset = 0;  // kOffset: the first event that it gets.
  Time time{};          // kTime: the first event accepted then or later.

  friend bool operator==(const From&, const From&) = default;
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

enum class End {
  kDone,      // Handled; `emits` are published in the same breath.
  kDropped,   // A verdict said that nobody needs it.
  kDead,      // Given up: kept as a dead letter.
  kRetry,     // Comes again at `due` with `attempts`.
  kReturned,  // Not handled: comes again at its old place, as soon as there is credit.
};

// Why a lane gave an event up.
struct DeadReason {
  std::string reason;   // UPPER_SNAKE_CASE, few values.
  std::string message;  // For people.
  std::string detail;   // Stack trace, crash report or the like.
};

// How one delivery ends. The bus makes it whole or not at all, emits, retry and dead letter
// included.
struct Settlement {
  LaneId lane = 0;
  Tag tag = 0;
  uint64_t cookie = 0;  // Comes back in Settled.
  End end = End::kDone;
  uint32_t attempts = 0;             // kRetry, kDead: counted attempts so far.
  Time due{};                        // kRetry.
  std::vector<Event> emits;          // kDone.
  std::unique_ptr<DeadReason> dead;  // kDead: set.
};

// The bus has made a settlement (as durably as it is configured; a power loss may take an end back
// that had neither emits nor a dead letter, and the event comes again) or could not. It comes in
// the same Poll as a delivery of that event that follows from it, or in an earlier one.
struct Settled {
  LaneId lane = 0;
  uint64_t cookie = 0;
  // UNAVAILABLE, RESOURCE_EXHAUSTED: settle again later. Other errors: refused for good (only for
  // what `emits` asks).
  absl::Status status;
  std::unique_ptr<Settlement>
      failed;  // Set if status is not OK: the settlement itself, and the delivery is as before.
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
  // NOT_FOUND: not declared. FAILED_PRECONDITION: open elsewhere in a way that the mode forbids.
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
  uint32_t matched = 0;  // How many declared lanes take a copy.
  uint64_t offset = 0;   // Its place in the log, rising; 0: the bus has none.
};

struct LaneInfo {
  std::string name;
  bool orphan = false;  // Not declared any more: takes no new events, keeps what it has.
  uint64_t backlog =
      0;  // Accepted for this lane and not ended, retrying ones included, dead letters not.
  uint64_t retrying = 0;       // Of these: waiting for a retry.
  uint64_t dead = 0;           // Dead letters now.
  std::optional<Time> oldest;  // When the oldest of the backlog was accepted.
};

struct DeadFilter {
  std::string lane;           // Empty: all.
  std::string reason;         // Empty: all.
  std::vector<uint64_t> ids;  // Empty: all.
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
};

struct BusInfo {
  std::string kind;      // "embedded", "memory", "rabbitmq".
  std::string location;  // For people, without secrets.
  bool connected = false;
  uint64_t bytes = 0;                 // Held; 0: unknown.
  uint64_t events = 0;                // Held; 0: unknown.
  std::vector<std::string> warnings;  // What needs a person, with the fix.
};

struct LoggedEvent {
  uint64_t offset = 0;
  Time accepted_at{};
  Event event;
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
  virtual void Publish(std::vector<Event> events, PublishDone done) = 0;

  // The rest may block: not on a shard's thread.
  virtual BusInfo Info() = 0;
  virtual absl::StatusOr<std::vector<LaneInfo>> Lanes() = 0;
  // NOT_FOUND: no such lane. FAILED_PRECONDITION: declared, or kRefuse with events left (says how
  // many).
  virtual absl::StatusOr<Forgotten> ForgetLane(const std::string& name, Remainder remainder) = 0;
  // Letters with id > after, ascending, at most `limit`; `*total` is how many match in all.
  virtual absl::StatusOr<std::vector<DeadLetter>> ListDead(const DeadFilter& filter, uint64_t after,
                                                           size_t limit, uint64_t* total) = 0;
  // Gives letters back to the lanes that gave them up, attempts from 0; returns how many. It is
  // about those that there are when it is called: one that dies meanwhile, for the second time too,
  // stays. Letters of lanes that are orphans or forgotten stay: FAILED_PRECONDITION if the filter
  // names such a lane or id.
  virtual absl::StatusOr<uint64_t> ReplayDead(const DeadFilter& filter) = 0;
  // Deletes letters for good; returns how many. About those that there are when it is called.
  virtual absl::StatusOr<uint64_t> PurgeDead(const DeadFilter& filter) = 0;
  // Events with offset >= from in order, at most `limit`.
  virtual absl::StatusOr<std::vector<LoggedEvent>> ReadLog(uint64_t from, size_t limit) = 0;
  // Offset that the next accepted event will get.
  virtual uint64_t NextOffset() = 0;
};

}  // namespace outboard::bus
