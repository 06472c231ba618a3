#pragma once

#include <vector>

#include "host/base/clock.h"

namespace outboard::bus::rabbitmq {

// How long the rungs of the retry ladder hold a message, ascending: one queue each, shared by all
// lanes of a vhost. A queue lets go in order only, so a delay of one's own cannot be had.
std::vector<Duration> DefaultRungs();

// The shortest rung that is at least `delay`, else the longest: what waits longer comes back early
// and climbs again.
Duration RungFor(Duration delay, const std::vector<Duration>& rungs);

}  // namespace outboard::bus::rabbitmq
