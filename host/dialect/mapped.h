#pragma once

#include "absl/status/statusor.h"
#include "host/dialect/dialect.h"
#include "host/dialect/message_view.h"
#include "host/event/event.h"
#include "host/event/wire.h"

namespace outboard::dialect {

// Decode for kJson and kRaw.
absl::StatusOr<Event> DecodeMapped(const MessageView& message, const DialectOptions& options,
                                   const EventLimits& limits);

}  // namespace outboard::dialect
