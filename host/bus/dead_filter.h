#pragma once

#include "absl/strings/string_view.h"
#include "host/bus/bus.h"

// Which letters a DeadFilter takes: pure.
namespace outboard::bus {

// A lane's name is "route/target".
absl::string_view RouteOf(absl::string_view lane);
absl::string_view TargetOf(absl::string_view lane);

// Whether the filter asks for what only the event says.
bool AsksForEvent(const DeadFilter& filter);

// All but the event: of `letter` are read id, lane, why and died_at.
bool TakesLetter(const DeadFilter& filter, const DeadLetter& letter);
// The rest. What could not be decoded is taken only if nothing is asked of the event.
bool TakesEvent(const DeadFilter& filter, const Event& event);

}  // namespace outboard::bus
