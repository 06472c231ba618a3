#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/base/clock.h"
#include "host/bus/amqp/connection.h"
#include "host/bus/bus.h"
#include "host/bus/rabbitmq/ack_window.h"
#include "host/bus/rabbitmq/headers.h"
#include "host/bus/rabbitmq/lane_registry.h"
#include "host/bus/rabbitmq/prefetch.h"
#include "host/bus/rabbitmq/steady.h"
#include "host/bus/rabbitmq/watchdog.h"

namespace outboard::bus::rabbitmq {

// As the time that AckWindow counts in.
inline Time AckTime(Steady steady) {
  return Time(std::chrono::duration_cast<Duration>(steady.time_since_epoch()));
}

struct OpenQueue;

// A channel from its opening to its end.
struct Life {
  Life(size_t many, Duration patience)
      : acks(many, std::chrono::milliseconds(20)), watchdog(patience) {}

  amqp::Channel number = 0;
  std::string name;            // Of its queue.
  OpenQueue* queue = nullptr;  // Null: its lanes are closed, or have another channel; it waits for
                               // what is under way.
  Life* successor = nullptr;   // It is closed once that one consumes.
  bool consumes = false;       // As the broker has answered.
  bool pipelined = false;      // The queue is a quorum queue: acknowledgements must be flushed.
  bool acked = false;          // Some were sent.
  bool closing = false;        // Nothing is acknowledged any more.
  int flushing = 0;            // Answers to come before the broker is asked to close it.
  uint64_t made = 0;           // As its queue's count when it was opened.
  size_t publishing = 0;       // Settlements that wait for a confirm, to be acknowledged here then.
  AckWindow acks;
  Watchdog watchdog;
  int64_t held = 0;
  uint64_t held_bytes = 0;  // Of those unacknowledged.
  std::shared_ptr<QueueCounts> counts;
};

// One message from its arrival to its end: waiting, with a lane, or waiting for a publisher.
struct Item {
  Event event;
  amqp::RawMessage raw;
  Life* life = nullptr;  // Null: of a channel that ended.
  uint64_t delivery_tag = 0;
  uint64_t order = 0;  // Of arrival.
  Time accepted_at{};
  uint32_t attempts = 0;
  uint64_t copy = 0;  // Which of the messages of one event: the first, a retry, a replay.
  bool redelivered = false;
  std::unique_ptr<ReceiptAddress> receipt;  // Null: nobody asked for one.
  bool has_id = true;                       // Of its own.
  bool was_retry = false;
  // Once it is with a lane or a publisher:
  bool silent = false;   // No lane waits for the answer.
  bool resting = false;  // Its lane has ended it by a retry, until which it is held here.
  LaneId lane = 0;
  OpenQueue* queue = nullptr;            // Null: its lane was closed.
  uint64_t leaves_as = 0;                // Identity of the retry that is being published of it.
  std::unique_ptr<Settlement> settling;  // Handed to a publisher.
};

struct Outlet {
  LaneId lane = 0;
  std::string name;
  uint32_t credit = 0;
};

// A queue that lanes of this consumer have open; several only where singleton lanes share it.
struct OpenQueue {
  explicit OpenQueue(const Prefetch& fetched) : prefetch(fetched) {}

  std::string name;
  bool reliable = true;
  bool singleton = false;
  bool single_active = false;  // Of all its consumers one at a time gets messages.
  bool takes = false;          // It has been there once since it was opened.
  bool finishing = false;      // Its oldest delivery is old: nothing further is handed out.
  bool there = true;           // On the broker, as far as is known.
  bool bound = true;           // The same of its bindings.
  bool asked = false;          // The helper makes it.
  bool foreign = false;        // Bound to an exchange that others declare.
  int failures = 0;            // To make it, in a row.
  Steady ask_at{};
  // A lane that can use nothing leaves it to other replicas after a while.
  std::optional<Steady> useless_since;
  bool parked = false;  // Its channel was closed for that.
  std::vector<Outlet> outlets;
  std::vector<route::Filter> filters;  // Where its bindings bring more than it takes; else none.
  size_t turn = 0;                     // Whose turn it is.
  Prefetch prefetch;
  Life* life = nullptr;
  std::deque<std::unique_ptr<Item>> waiting;           // Not handed out yet, in order.
  std::map<uint64_t, std::unique_ptr<Item>> returned;  // By order.
  std::multimap<Time, Tag> due;                        // Retries of an unreliable lane.
  std::deque<std::pair<uint64_t, Steady>> acked;       // Identities of those acknowledged last.
  std::shared_ptr<QueueCounts> counts;

  bool lacks() const { return !there || !bound; }
  // How many deliveries of its channel lanes have in hand.
  size_t InHand() const {
    const size_t here = waiting.size() + returned.size() + due.size();
    const size_t unsettled = life->acks.unsettled();
    return unsettled > here ? unsettled - here : 0;
  }
  bool HasCredit() const {
    for (const Outlet& outlet : outlets) {
      if (outlet.credit > 0) return true;
    }
    return false;
  }
  // The next outlet with credit; null: none.
  Outlet* Next() {
    for (size_t i = 0; i < outlets.size(); ++i) {
      Outlet& outlet = outlets[(turn + i) % outlets.size()];
      if (outlet.credit == 0) continue;
      turn = (turn + i + 1) % outlets.size();
      return &outlet;
    }
    return nullptr;
  }
};

// By which a redelivery is known: of this queue's messages, the same copy of the same event. Within
// this process.
uint64_t IdentityOf(const OpenQueue& queue, const Item& item, uint64_t copy);
inline uint64_t IdentityOf(const OpenQueue& queue, const Item& item) {
  return IdentityOf(queue, item, item.copy);
}
// Of a message that travelled; 0 is the first one.
uint64_t CopyOf(const Travel& travel);

}  // namespace outboard::bus::rabbitmq
