#pragma once

#include <cstdint>

#include "host/lane/io.h"

namespace outboard::ingress {

enum class Protocol : uint8_t { kGrpc, kHttp };

// Events that came over one protocol, since the start of the host.
struct ProtocolCounters {
  uint64_t confirmed = 0;
  uint64_t refused = 0;      // Not valid, or rejected by a stage before the bus.
  uint64_t failed = 0;       // Such a stage could not tell, or the bus did not take them in time.
  uint64_t pushed_back = 0;  // Too much was under way.
  uint64_t dropped = 0;      // By such a stage.
};

struct Counters {
  ProtocolCounters grpc, http;
  uint64_t unmatched = 0;   // Of the confirmed ones: no lane took them.
  lane::Durations confirm;  // Of requests, from their coming to the bus's answer.
  // Now, until the bus has answered.
  uint64_t events_under_way = 0;
  uint64_t bytes_under_way = 0;
};

}  // namespace outboard::ingress
