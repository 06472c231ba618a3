#pragma once

#include <google/protobuf/message.h>

#include "host/event/wire.h"
#include "nlohmann/json.hpp"
#include "outboard/event/v1/event.pb.h"

namespace outboard::app {

using Json = nlohmann::ordered_json;

// How large an event may be is the host's to say, and what its bus has taken is not refused.
inline constexpr EventLimits kAnySize{.max_bytes = size_t{1} << 31};

// A message of the host for programs: all fields by their names, numbers as numbers, times as RFC
// 3339 (null where unset), durations in seconds under <name>_seconds, events in CloudEvents' JSON
// format (null where unset), bytes in base64.
Json ToJson(const google::protobuf::Message& message);

// The event in CloudEvents' JSON format.
Json ToJson(const event::v1::Event& event);

// One line, bytes that are no UTF-8 replaced.
std::string ToLine(const Json& json);

}  // namespace outboard::app
