#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/dialect/message_view.h"
#include "host/event/event.h"
#include "host/event/wire.h"

// CloudEvents in binary mode: an attribute a header, the data as the body, datacontenttype as the
// content_type.
namespace outboard::dialect {

// What begins the name of an attribute's header.
inline constexpr absl::string_view kPrefixes[] = {"cloudEvents:", "cloudEvents_", "ce-"};

// Headers of W3C Trace Context, and attributes of the same names.
inline constexpr absl::string_view kTraceNames[] = {"traceparent", "tracestate"};

// True if the headers hold a whole event: one of them is specversion under any prefix.
bool HoldsEvent(const MessageView& message);

// The event in the headers and the body of `message`; its id, where they give none, is message_id,
// else ContentId. INVALID_ARGUMENT names the header or attribute.
absl::StatusOr<Event> DecodeHeaders(const MessageView& message, const EventLimits& limits);

// The text of the header `name` if there is one that can be an attribute, else empty.
absl::string_view TraceText(const MessageView& message, absl::string_view name);

}  // namespace outboard::dialect
