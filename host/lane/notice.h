#pragma once

#include <cstdint>
#include <string>

#include "host/lane/options.h"

namespace outboard::lane {

// For logs, metrics and status; decides nothing.
struct Notice {
  enum class Kind : uint8_t {
    kSuspected,  // `count` deliveries became suspects.
    kCleared,    // A suspect was answered.
    kSetAside,
    kConvicted,
    kCircuitOpened,
    kCircuitTrial,
    kCircuitClosed,
    kProbeStarted,
    kProbeEnded,
    kStopped,        // By a dead letter.
    kDeadLettered,   // text: reason.
    kProtocolError,  // text: which rule.
    kStuck,
    kSettleFailed,
  };
  Kind kind;
  LaneId lane = 0;
  std::string event_id;
  std::string text;
  uint64_t count = 1;
};

}  // namespace outboard::lane
