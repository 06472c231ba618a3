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
// Fanout with a queue of the same name: what no queue took any more.
inline constexpr char kOrphansExchange[] = "outboard.orphans";

// The queue of a lane: of all replicas of this host (pool), of all hosts with the same filters
// (singleton), or of this replica alone (broadcast).
std::string LaneQueue(const std::string& host, const std::string& replica, const LaneSpec& spec);
// The dead letters of a lane, which outlive its queue.
std::string DeadQueue(const std::string& host, const std::string& lane);
// The queue, and the fanout exchange before it, where messages wait so long.
std::string RungName(Duration wait);

}  // namespace outboard::bus::rabbitmq
