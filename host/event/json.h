#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/event/event.h"
#include "host/event/wire.h"

namespace outboard {

// The CloudEvents 1.0 JSON format of one event. `data` becomes binary_data: JSON values as their JSON text with datacontenttype
// application/json where none is given, JSON strings under another media type as their text, `data_base64` as bytes.
// INVALID_ARGUMENT names the member and the fix.
absl::StatusOr<Event> EventFromJson(absl::string_view json, const EventLimits& limits = {});

// The same the other way: data of a JSON media type as a JSON value if it parses, UTF-8 text as a string, else data_base64.
std::string EventToJson(const Event& event);

}  // namespace outboard
