#include "host/dialect/dialect.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/dialect/event_builder.h"
#include "host/dialect/header_reader.h"
#include "host/dialect/header_writer.h"
#include "host/dialect/json_pointer.h"
#include "host/dialect/mapped.h"
#include "host/dialect/media_type.h"
#include "host/dialect/shown.h"
#include "host/dialect/text_form.h"
#include "host/event/json.h"
#include "host/event/json_members.h"
#include "host/event/wire_reader.h"
#include "host/event/wire_writer.h"

namespace outboard::dialect {
namespace {

constexpr size_t kMaxNameBytes = 64;
constexpr uint8_t kPersistent = 2;

absl::Status Invalid(absl::string_view where, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", problem));
}

// ---- Options ----

// Of the mapping's own members.
bool IsOwnName(absl::string_view name) {
  return name == "id" || name == "source" || name == "type" || name == "subject" || name == "time";
}

bool IsExtensionName(absl::string_view name) {
  return name != "specversion" && name != "data" && !name.empty() && name.size() <= kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(static_cast<unsigned char>(c)) ||
                  absl::ascii_isdigit(static_cast<unsigned char>(c));
         });
}

absl::Status CheckPlaces(const Places& places) {
  for (const Place& place : places) {
    if (place.from == Place::From::kHeader && place.text.empty()) {
      return absl::InvalidArgumentError("a header without a name; name it");
    }
    if (place.from == Place::From::kFixed && place.text.empty()) {
      return absl::InvalidArgumentError("an empty fixed text; write one, or leave the place out");
    }
    if (place.from == Place::From::kBody && place.pointers.empty()) {
      return absl::InvalidArgumentError(
          "a place in the body without a JSON Pointer; write one, as in /a/b");
    }
    for (const std::string& pointer : place.pointers) {
      if (IsJsonPointer(pointer)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(Shown(pointer),
                       " is no JSON Pointer; begin it with \"/\", and write "
                       "\"~\" as \"~0\" and \"/\" inside of a name as \"~1\""));
    }
  }
  return absl::OkStatus();
}

// `name` said before what is wrong with it.
absl::Status CheckNamed(absl::string_view name, const Places& places) {
  const absl::Status status = CheckAttribute(name, places);
  return status.ok() ? status : Invalid(Shown(name), status.message());
}

absl::Status CheckMapping(const Mapping& mapping) {
  OUTBOARD_RETURN_IF_ERROR(CheckNamed("id", mapping.id));
  OUTBOARD_RETURN_IF_ERROR(CheckNamed("source", mapping.source));
  OUTBOARD_RETURN_IF_ERROR(CheckNamed("type", mapping.type));
  OUTBOARD_RETURN_IF_ERROR(CheckNamed("subject", mapping.subject));
  OUTBOARD_RETURN_IF_ERROR(CheckNamed("time", mapping.time));
  std::set<std::string> names;
  for (const auto& [name, places] : mapping.more) {
    if (IsOwnName(name) || !names.insert(name).second) {
      return Invalid(Shown(name), "is mapped twice; list its places once");
    }
    OUTBOARD_RETURN_IF_ERROR(CheckNamed(name, places));
  }
  return absl::OkStatus();
}

// ---- CloudEvents ----

// `event` with those headers of the trace that it has no attributes for.
absl::StatusOr<Event> WithTrace(Event event, const MessageView& message,
                                const EventLimits& limits) {
  std::string bytes;
  for (const absl::string_view name : kTraceNames) {
    const absl::string_view text = TraceText(message, name);
    if (text.empty() || event.attribute(name)) continue;
    if (bytes.empty()) bytes = std::string(event.bytes());
    std::string value;
    event_wire::AppendField(event_wire::tag::kString, text, &value);
    event_wire::AppendAttribute(name, value, &bytes);
  }
  if (bytes.empty()) return event;
  return CheckEvent(std::move(bytes), limits);
}

absl::StatusOr<Event> DecodeCloudEvents(const MessageView& message, const EventLimits& limits) {
  const std::optional<absl::string_view>& type = message.properties.content_type;
  if (!type || !IsCloudEventsMediaType(*type)) return DecodeHeaders(message, limits);
  if (IsMediaType(*type, kProtobufType)) return CheckEvent(std::string(message.body), limits);
  if (!IsMediaType(*type, kStructuredJsonType)) {
    return Invalid("content_type",
                   absl::StrCat(Shown(*type), " is not read; send one event a message as ",
                                kStructuredJsonType, " or ", kProtobufType));
  }
  OUTBOARD_ASSIGN_OR_RETURN(Event event, EventFromJson(message.body, limits));
  return WithTrace(std::move(event), message, limits);
}

// ---- Encoding ----

// What all messages have.
Message Addressed(const Event& event) {
  Message message;
  message.routing_key = std::string(event.type());
  message.properties.delivery_mode = kPersistent;
  if (event.id().size() <= kMaxShortText) message.properties.message_id = std::string(event.id());
  return message;
}

Message EncodeProtobuf(const Event& event) {
  Message message = Addressed(event);
  message.properties.content_type = std::string(kProtobufType);
  message.body = std::string(event.bytes());
  return message;
}

Message EncodeCloudEvents(const Event& event, const DialectOptions& options) {
  if (options.form == CloudEventsForm::kBinary) {
    Message message = Addressed(event);
    const std::optional<std::string>& type = message.properties.content_type;
    if (WriteHeaders(event, options.prefix, &message).ok() &&
        !(type && IsCloudEventsMediaType(*type))) {  // Would be read as another form.
      return message;
    }
  } else if (options.form == CloudEventsForm::kStructuredJson && CheckTextForm(event).ok()) {
    Message message = Addressed(event);
    message.properties.content_type = std::string(kStructuredJsonType);
    message.body = EventToJson(event);
    return message;
  }
  return EncodeProtobuf(event);
}

absl::StatusOr<Message> EncodeMapped(const Event& event, const DialectOptions& options) {
  Message message = Addressed(event);
  OUTBOARD_RETURN_IF_ERROR(WriteHeaders(event, options.prefix, &message));
  if (options.kind != Kind::kJson) return message;
  if (!message.body.empty() && !IsJsonText(message.body)) {
    return Invalid("data", "is no well-formed JSON in UTF-8; send JSON, or use the dialect raw");
  }
  if (!message.properties.content_type) {
    message.properties.content_type = std::string(kJsonType);
  }
  return message;
}

}  // namespace

absl::Status CheckAttribute(absl::string_view name, const Places& places) {
  if (!IsOwnName(name) && !IsExtensionName(name)) {
    return absl::InvalidArgumentError(
        "is no name of an attribute; use 1 to 64 of a-z and 0-9, and neither specversion nor data");
  }
  if (places.empty() && (name == "source" || name == "type")) {
    return absl::InvalidArgumentError("has no place; name one or a fixed text");
  }
  return CheckPlaces(places);
}

absl::Status CheckOptions(const DialectOptions& options) {
  if (std::find(std::begin(kPrefixes), std::end(kPrefixes), options.prefix) ==
      std::end(kPrefixes)) {
    return Invalid("prefix", "is none of \"cloudEvents:\", \"cloudEvents_\" and \"ce-\"; use one");
  }
  return CheckMapping(options.mapping);
}

absl::StatusOr<Event> Decode(const MessageView& message, const DialectOptions& options,
                             const EventLimits& limits) {
  if (options.kind == Kind::kCloudEvents) return DecodeCloudEvents(message, limits);
  return DecodeMapped(message, options, limits);
}

absl::StatusOr<Message> Encode(const Event& event, const DialectOptions& options) {
  if (event.type().size() > kMaxShortText) {
    return Invalid("type",
                   absl::StrCat("has ", event.type().size(), " bytes, a routing key at most ",
                                kMaxShortText, "; shorten it"));
  }
  if (options.kind == Kind::kCloudEvents) return EncodeCloudEvents(event, options);
  return EncodeMapped(event, options);
}

}  // namespace outboard::dialect
