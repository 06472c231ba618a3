#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/event/event.h"
#include "host/event/wire.h"

namespace outboard {

// The CloudEvents 1.0 JSON format of one event. `data` becomes binary_data: JSON values as their
// JSON text with datacontenttype application/json where none is given, JSON strings under another
// media type as their text, `data_base64` as bytes. A null member is the same as none.
// INVALID_ARGUMENT names the member and the fix.
absl::StatusOr<Event> EventFromJson(absl::string_view json, const EventLimits& limits = {});

// The same the other way, in one line: data of a JSON media type, or of none, as a JSON value if it
// parses, UTF-8 text of another media type as a string, else data_base64; so it reads back to the
// same payload. proto_data becomes data_base64 with its type URL as dataschema where none is given.
std::string EventToJson(const Event& event);

}  // namespace outboard
