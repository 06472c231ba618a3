#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/event/event.h"

namespace outboard {

// What an event may be at most.
struct EventLimits {
  size_t max_bytes = 1 << 20;  // Of the whole event on the wire.
};

// The check for bytes that come from outside (publisher, dialect, emits, a stage's changed event):
// one walk over the wire. Passes events with id, source and type (free of control characters), a
// spec_version of "1.0" (set where it is missing), attribute names of CloudEvents' alphabet
// ([a-z0-9], at most 64, none twice, none of id, source, type, specversion, data), values that are
// well-formed UTF-8 where they are text, exactly one value each, at most one data field. Moves
// text_data to binary_data. Refused are unknown fields, since a plugin could not read them, fields
// there twice, and varints longer than they need be, since parsers might not agree on them.
// INVALID_ARGUMENT says what is wrong, where, and how to mend it; RESOURCE_EXHAUSTED: too large.
absl::StatusOr<Event> CheckEvent(std::string bytes, const EventLimits& limits = {});

// How far an event is from the one that a publisher brought in: extension attribute `outboardhops`.
inline constexpr int kMaxHops = 16;

// Makes an emit whole: `bytes` as a component wrote it, with empty id, source and spec_version
// filled in. The id derives from (parent's source and id, component, index), so the same emit of a
// redelivery has the same id; an id or source that the component set itself is kept. Sets
// `outboardhops` to the parent's plus 1. Then as CheckEvent. FAILED_PRECONDITION: more than
// kMaxHops hops.
absl::StatusOr<Event> MakeEmit(const Event& parent, absl::string_view component, uint32_t index,
                               std::string bytes, const EventLimits& limits = {});

}  // namespace outboard
