#pragma once

#include "absl/status/statusor.h"
#include "host/dialect/dialect.h"
#include "host/dialect/message.h"
#include "host/event/event.h"
#include "host/event/wire.h"

namespace outboard::dialect {

// Decode for kJson and kRaw.
absl::StatusOr<Event> DecodeMapped(const Message& message, const DialectOptions& options,
                                   const EventLimits& limits);

}  // namespace outboard::dialect
