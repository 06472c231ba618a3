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
#include "host/bus/bus.h"
#include "host/bus/rabbitmq/ack_window.h"
#include "host/bus/rabbitmq/connection.h"
#include "host/bus/rabbitmq/headers.h"
#include "host/bus/rabbitmq/lane_registry.h"

namespace outboard::bus::rabbitmq {

// For what is between this process and the broker: the injected clock may stand still.
using Steady = std::chrono::steady_clock::time_point;
inline Steady SteadyNow() { return std::chrono::steady_clock::now(); }
// As the time that AckWindow counts in.
inline Time AckTime() {
  return Time(std::chrono::duration_cast<Duration>(SteadyNow().time_since_epoch()));
}

struct OpenQueue;

// A channel from its opening to its end.
struct Life {
  explicit Life(size_t many) : acks(many, std::chrono::milliseconds(20)) {}

  amqp::Channel number = 0;
  OpenQueue* queue = nullptr;     // Null: its lanes are closed; it waits for what is under way.
  bool closing = false;           // The broker was asked to close it.
  bool gone_when_closed = false;  // An unreliable lane's.
  Steady busy_until{};            // Many acknowledgements were sent a moment ago.
  size_t publishing = 0;  // Settlements that wait for a confirm, to be acknowledged here then.
  AckWindow acks;
  int64_t held = 0;
  std::shared_ptr<QueueCounts> counts;
};

// One message on its way to a lane, or with it.
struct Item {
  Event event;
  dialect::Message message;  // As it was published first.
  Life* life = nullptr;      // Null: of a channel that ended.
  uint64_t delivery_tag = 0;
  uint64_t order = 0;  // Of arrival.
  Time accepted_at{};
  uint32_t attempts = 0;
  uint64_t copy = 0;  // Which of the messages of one event: the first, a retry, a replay.
  bool redelivered = false;
  bool has_id = true;  // Of its own.
  bool was_retry = false;
};

struct Outlet {
  LaneId lane = 0;
  std::string name;
  uint32_t credit = 0;
};

// A queue that lanes of this consumer have open; several only where singleton lanes share it.
struct OpenQueue {
  std::string name;
  bool reliable = true;
  bool singleton = false;
  bool there = true;   // On the broker, as far as is known.
  bool asked = false;  // The helper makes it.
  int failures = 0;    // To make it, in a row.
  Steady ask_at{};
  // A lane that can use nothing leaves it to other replicas after a while.
  std::optional<Steady> useless_since;
  bool parked = false;  // Its channel was closed for that.
  std::vector<Outlet> outlets;
  size_t turn = 0;  // Whose turn it is.
  Life* life = nullptr;
  std::deque<Item> waiting;                       // Not handed out yet, in order.
  std::map<uint64_t, Item> returned;              // By order.
  std::multimap<Time, Item> due;                  // Retries of an unreliable lane.
  std::deque<std::pair<uint64_t, Steady>> acked;  // Identities of those acknowledged last.
  std::shared_ptr<QueueCounts> counts;

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
