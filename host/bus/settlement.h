#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "host/base/clock.h"
#include "host/event/event.h"

// How deliveries end, and who is told.
namespace outboard::bus {

// Number of a lane within one Consumer, chosen by the consumer's owner.
using LaneId = uint32_t;
// Names one delivery on one Consumer; never 0, never reused by it.
using Tag = uint64_t;

enum class End {
  kDone,      // Handled; `emits` are published in the same breath.
  kDropped,   // A verdict said that nobody needs it.
  kDead,      // Given up: kept as a dead letter.
  kRetry,     // Comes again at `due` with `attempts`.
  kReturned,  // Not handled: comes again at its old place, as soon as there is credit.
};

// Why a lane gave an event up.
struct DeadReason {
  std::string reason;        // UPPER_SNAKE_CASE, few values.
  std::string message;       // For people.
  std::string detail;        // Stack trace, crash report or the like.
  std::string version = {};  // Of the plugin that had it last; empty: not known, or none had it.
};

// The reason of what came to a queue that was gone: no lane gave it up, and the ids of such letters
// do not rise.
inline constexpr char kOrphaned[] = "ORPHANED";

// How a plugin's turn with an event ended.
struct Attempt {
  Time at{};
  // Not well: "retry", "reject", "deadline", "lost" (its session), "refused" (emits), "release".
  // Else "done", "continue", "pass" (a stage that did not see it), "halt".
  std::string outcome;
  std::string reason;  // As in DeadReason.
  std::string message;
  std::string version;  // Of the plugin.
  // Buses do not keep the rest.
  std::string component = {};                       // As configured: "plugin.component".
  std::optional<uint32_t> instance = std::nullopt;  // Nothing: not known, or none had it.
  bool quarantine = false;                          // An instance for suspects.
  Duration took{};                                  // From sending to the answer.

  friend bool operator==(const Attempt&, const Attempt&) = default;
};

// A place in another system, in that system's own type; nothing: it has none.
struct Bytes {
  std::string value;

  friend bool operator==(const Bytes&, const Bytes&) = default;
};
using Offset = std::variant<std::monostate, int64_t, double, std::string, Bytes>;

// Where a producer put an event.
struct Placed {
  Offset offset;
  std::optional<Time> at;  // By the other system's clock.

  friend bool operator==(const Placed&, const Placed&) = default;
};

// How one delivery ends. The bus makes it whole or not at all, emits, retry and dead letter
// included.
struct Settlement {
  LaneId lane = 0;
  Tag tag = 0;
  uint64_t cookie = 0;  // Comes back in Settled.
  End end = End::kDone;
  uint32_t attempts = 0;                     // kRetry, kDead: counted attempts so far.
  Time due{};                                // kRetry.
  std::vector<Event> emits;                  // kDone.
  std::unique_ptr<DeadReason> dead;          // kDead: set.
  std::unique_ptr<Placed> placed = nullptr;  // kDone: set where a producer said so.
  std::string dropped_by = {};               // kDropped: the stage that said so; empty: none did.
  // kRetry, kDead: what the bus adds to the history of the event; null: nothing. Between hops of a
  // lane also how turns ended well, where there is more to tell of the event.
  std::unique_ptr<std::vector<Attempt>> tried = nullptr;
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

// How one lane ended one published event.
struct Receipt {
  // What a settlement says of it; `lane` is for the caller.
  static Receipt Of(const Settlement& settlement) {
    Receipt receipt;
    receipt.end = settlement.end;
    if (settlement.placed) receipt.placed = *settlement.placed;
    receipt.reason = settlement.dead ? settlement.dead->reason : settlement.dropped_by;
    return receipt;
  }

  std::string lane;
  End end = End::kDone;  // kDone, kDropped or kDead.
  Placed placed;         // kDone of a producer.
  std::string reason;    // kDead: DeadReason::reason. kDropped: Settlement::dropped_by.

  friend bool operator==(const Receipt&, const Receipt&) = default;
};

// A publisher that waits for the ends of what it published.
class ReceiptSink {
 public:
  virtual ~ReceiptSink() = default;
  // `event` counts those of its publish, from 0. Comes again where a lane got the event twice, and
  // maybe before the publish is answered. On a thread of the bus, where it must not block.
  virtual void OnReceipt(size_t event, Receipt receipt) = 0;
};

}  // namespace outboard::bus
