#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "host/base/clock.h"
#include "host/bus/bus.h"

namespace outboard::ingress {

// What became of one event. Without a stage: what the bus says of it, or that it did not get there.
struct Result : bus::PublishResult {
  // The stage before the bus that ended its way: it dropped the event where `status` is OK.
  // INVALID_ARGUMENT: it rejected it; INTERNAL: what it made of it is no event to publish;
  // UNAVAILABLE: it could not tell, and may the next time.
  std::string stage;
  std::optional<Duration> retry_after;  // UNAVAILABLE of a stage: as it asks for.
  // Confirmed, and asked for: how lanes ended it, as far as they have told; by lane.
  std::vector<bus::Receipt> receipts;
  bool asked = false;  // For receipts.

  Result() = default;
  explicit Result(bus::PublishResult of) : bus::PublishResult(std::move(of)) {}

  bool confirmed() const { return status.ok() && stage.empty(); }
  bool dropped() const { return status.ok() && !stage.empty(); }
  bool rejected() const { return absl::IsInvalidArgument(status) && !stage.empty(); }
};

}  // namespace outboard::ingress
