#pragma once

#include <string>

#include "host/bus/bus.h"

// What the rabbitmq bus calls its exchanges and queues on the broker; docs/reference/rabbitmq.md.
namespace outboard::bus::rabbitmq {

// Takes copies of all that goes through exchanges of sources that a host knows; lanes for any
// source are bound to it.
inline constexpr char kAllExchange[] = "outboard.all";
// Direct: gives what a rung lets go to the queue that its routing key names.
inline constexpr char kDueExchange[] = "outboard.due";
// In place of a lane's name: its letters are in EditsQueue.
inline constexpr char kEdits[] = "@edits";
// Fanout with a queue of the same name: what no queue took any more, or a queue gave up.
inline constexpr char kOrphansExchange[] = "outboard.orphans";

// The queue of a lane: of all replicas of this host (pool), of all hosts with the same filters
// (singleton), or of this replica alone (broadcast).
std::string LaneQueue(const std::string& host, const std::string& replica, const LaneSpec& spec);
// What the queues begin with by which publishers of one process hear from lanes.
std::string ReceiptQueues(const std::string& host, const std::string& replica);
bool IsReceiptQueue(const std::string& queue);
// The dead letters of a lane, which outlive its queue.
std::string DeadQueue(const std::string& host, const std::string& lane);
// What people made of dead letters of this host.
std::string EditsQueue(const std::string& host);
// What a queue is called that a lane has no more, since its route makes another one now:
// "route/target@queue".
std::string FormerName(const std::string& lane, const std::string& queue);
// The lane that such a name is about; of another name itself.
std::string LaneOf(const std::string& name);
// The lane of this host that a queue is named after; empty: of no lane of it.
std::string LaneOfQueue(const std::string& host, const std::string& queue);
// Of an exchange that is the bus's or the broker's own: no source's is called so unless it is
// named.
bool IsReserved(const std::string& exchange);
// The queue, and the fanout exchange before it, where messages wait so long.
std::string RungName(Duration wait);
bool IsRung(const std::string& queue);

}  // namespace outboard::bus::rabbitmq
