#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/dialect/message.h"
#include "host/dialect/message_view.h"
#include "host/dialect/place.h"
#include "host/event/event.h"
#include "host/event/wire.h"

namespace outboard::dialect {

// What the messages of an exchange are.
enum class Kind : uint8_t {
  kCloudEvents,  // All three forms below are read, one is written.
  kJson,         // The body is a JSON document and becomes the data; attributes as mapped.
  kRaw,          // The body is any bytes and becomes the data; attributes as mapped.
};

enum class CloudEventsForm : uint8_t {
  kBinary,          // Attributes in headers, the data as the body.
  kStructuredJson,  // application/cloudevents+json.
  kProtobuf,        // application/cloudevents+protobuf: the event's wire bytes, the fastest.
};

// Where the attributes of a `json` or `raw` message come from. A message without an id gets
// ContentId (identity.h). Messages that carry headers as Encode writes them (known by specversion)
// take all attributes from there instead.
struct Mapping {
  Places id = {Place::At(Place::From::kMessageId)};
  Places source = {Place::At(Place::From::kExchange)};
  Places type = {Place::At(Place::From::kRoutingKey)};
  Places subject = {};
  // RFC 3339, also with a blank for its T and in UTC where it names no zone; or seconds since 1970
  // (milliseconds where the seconds would lie beyond the year 9999).
  Places time = {Place::At(Place::From::kTimestamp)};
  // Other attributes by name: extensions, dataschema, and datacontenttype where the message's own
  // is wrong.
  std::vector<std::pair<std::string, Places>> more = {};

  friend bool operator==(const Mapping&, const Mapping&) = default;
};

struct DialectOptions {
  Kind kind = Kind::kCloudEvents;
  // Written by kCloudEvents.
  CloudEventsForm form = CloudEventsForm::kBinary;
  // Before an attribute's name in headers that are written: "cloudEvents:", "cloudEvents_" or
  // "ce-". All three are read.
  std::string prefix = "cloudEvents:";
  Mapping mapping = {};  // Of kJson and kRaw.

  friend bool operator==(const DialectOptions&, const DialectOptions&) = default;
};

// What is wrong with options that came from a config, and the fix: an unknown prefix, an attribute
// name that is none or is there twice, a place without what it needs, a malformed JSON Pointer.
absl::Status CheckOptions(const DialectOptions& options);

// The same of one attribute of a mapping.
absl::Status CheckAttribute(absl::string_view name, const Places& places);

// The event in a message. `options` have passed CheckOptions. The headers `traceparent` and
// `tracestate` become attributes where the event has none of its own; an event in protobuf form is
// taken as it is. An empty body is no data. INVALID_ARGUMENT names what is wrong and the fix,
// RESOURCE_EXHAUSTED: too large.
absl::StatusOr<Event> Decode(const MessageView& message, const DialectOptions& options,
                             const EventLimits& limits = {});

// What headers may hold; beyond it kCloudEvents writes the protobuf form.
inline constexpr size_t kMaxHeaderText = 8 << 10;    // Of one attribute.
inline constexpr size_t kMaxHeadersText = 12 << 10;  // Of all, names included.

// The message that Decode makes the same event of, with its routing key; `exchange` is left to the
// caller. The same: bytes in protobuf form, else all attributes in text form and the payload. Two
// things are added where the event lacks them: structured JSON and kJson say the media type JSON.
// INVALID_ARGUMENT: the type is no routing key (above 255 bytes); or the event does not go into a
// message of kJson or kRaw, and why.
absl::StatusOr<Message> Encode(const Event& event, const DialectOptions& options);

}  // namespace outboard::dialect
