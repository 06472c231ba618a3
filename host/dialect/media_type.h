#pragma once

#include "absl/strings/string_view.h"

namespace outboard::dialect {

inline constexpr absl::string_view kJsonType = "application/json";
inline constexpr absl::string_view kStructuredJsonType = "application/cloudevents+json";
inline constexpr absl::string_view kProtobufType = "application/cloudevents+protobuf";

// True if `type` is `essence` (lower case), in any case and with any parameters.
bool IsMediaType(absl::string_view type, absl::string_view essence);

// True for application/json, text/json, application/x+json, ...
bool IsJsonMediaType(absl::string_view type);

// True for all media types that are CloudEvents themselves, batches included.
bool IsCloudEventsMediaType(absl::string_view type);

}  // namespace outboard::dialect
