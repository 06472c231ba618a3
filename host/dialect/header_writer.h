#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "host/dialect/message.h"
#include "host/event/event.h"

namespace outboard::dialect {

// Writes `event` into headers, content_type, timestamp and body of `message` so that DecodeHeaders
// reads the same: each attribute under `prefix`, those of the trace under their bare names too.
// INVALID_ARGUMENT: it does not go there, because of its size (kMaxHeaderText, kMaxHeadersText,
// 255 bytes of media type) or because it would read back as another (CheckTextForm); *message is
// partly written then.
absl::Status WriteHeaders(const Event& event, absl::string_view prefix, Message* message);

}  // namespace outboard::dialect
