#include "host/dialect/mapped.h"

#include <iterator>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/dialect/event_builder.h"
#include "host/dialect/header_reader.h"
#include "host/dialect/identity.h"
#include "host/dialect/media_type.h"
#include "host/dialect/place.h"
#include "host/dialect/shown.h"
#include "host/event/json_members.h"
#include "host/event/timestamp.h"

namespace outboard::dialect {
namespace {

constexpr int64_t kMaxSeconds = 253402300799;  // The end of the year 9999.

absl::Status AttributeError(absl::string_view attribute, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("attribute \"", attribute, "\": ", problem));
}

// RFC 3339 as legacy systems write it: "2026-11-22 05:30:25.718500" is UTC.
std::optional<Timestamp> ReadTime(absl::string_view text) {
  constexpr size_t kDateBytes = 10;
  std::string time(text);
  if (time.size() > kDateBytes && time[kDateBytes] == ' ') time[kDateBytes] = 'T';
  const std::optional<Timestamp> t = ParseTimestamp(time);
  return t ? t : ParseTimestamp(time + "Z");
}

Timestamp FromSeconds(int64_t seconds) {
  if (seconds <= kMaxSeconds) return {.seconds = seconds};
  return {.seconds = seconds / 1000, .nanos = static_cast<int32_t>(seconds % 1000) * 1'000'000};
}

// A time in any of the forms that Mapping names; other values as they are.
Value ToTime(const Value& value) {
  int64_t seconds;
  switch (value.kind) {
    case Value::Kind::kTime: return Value::Time(FromSeconds(value.time.seconds));
    case Value::Kind::kInteger: return Value::Time(FromSeconds(value.number));
    case Value::Kind::kText:
      if (const std::optional<Timestamp> t = ReadTime(value.text)) return Value::Time(*t);
      if (absl::SimpleAtoi(value.text, &seconds)) return Value::Time(FromSeconds(seconds));
      return value;
    default: return value;
  }
}

// Why a body that should be JSON may be none: kombu and others compress.
std::string EncodingHint(const PropertiesView& properties) {
  absl::string_view encoding;
  if (const FieldView* header = properties.header("compression")) encoding = header->text;
  if (encoding.empty() && properties.content_encoding) encoding = *properties.content_encoding;
  if (encoding.empty() || absl::EqualsIgnoreCase(encoding, "utf-8") ||
      absl::EqualsIgnoreCase(encoding, "utf8")) {
    return "";
  }
  return absl::StrCat(" (its encoding is ", Shown(encoding),
                      "; publish it uncompressed, in UTF-8)");
}

absl::Status CheckJson(const MessageView& message) {
  const absl::string_view body = message.body;
  if (IsJsonText(body)) return absl::OkStatus();
  const bool marked = absl::StartsWith(body, "\xEF\xBB\xBF");
  return absl::InvalidArgumentError(
      absl::StrCat("body: ",
                   marked ? "begins with a byte order mark; leave it out"
                          : SplitJsonObject(body).status().message(),
                   EncodingHint(message.properties), ", or use the dialect raw"));
}

// The body of a kJson message has passed CheckJson.
class Mapper {
 public:
  Mapper(const MessageView& message, const DialectOptions& options)
      : message_(message),
        options_(options),
        reader_(options.kind == Kind::kJson ? PlaceReader::OfJson(message) : PlaceReader(message)),
        builder_(message.body.size()) {}

  absl::StatusOr<Event> Run(const EventLimits& limits) {
    const Mapping& mapping = options_.mapping;
    OUTBOARD_RETURN_IF_ERROR(SetId(mapping.id));
    OUTBOARD_RETURN_IF_ERROR(SetRequired("source", mapping.source));
    OUTBOARD_RETURN_IF_ERROR(SetRequired("type", mapping.type));
    OUTBOARD_RETURN_IF_ERROR(Set("subject", reader_.Find(mapping.subject), mapping.subject));
    OUTBOARD_RETURN_IF_ERROR(Set("time", ToTime(reader_.Find(mapping.time)), mapping.time));
    OUTBOARD_RETURN_IF_ERROR(SetMore());
    if (!message_.body.empty()) builder_.SetData(message_.body);
    return builder_.Finish(limits);
  }

 private:
  absl::Status SetId(const Places& places) {
    const Value id = reader_.Find(places);
    if (id.is_there()) return Set("id", id, places);
    builder_.SetText("id", ContentId(message_));
    return absl::OkStatus();
  }

  absl::Status SetRequired(absl::string_view name, const Places& places) {
    const Value value = reader_.Find(places);
    if (value.is_there()) return Set(name, value, places);
    return AttributeError(name,
                          absl::StrCat("none of its places holds it: ", Describe(places),
                                       "; send it there, or name another place or a fixed text in "
                                       "the dialect's options"));
  }

  absl::Status Set(absl::string_view name, const Value& value, const Places& places) {
    if (!value.is_there()) return absl::OkStatus();
    const char* problem = builder_.Set(name, value);
    if (problem == nullptr) return absl::OkStatus();
    return AttributeError(name,
                          absl::StrCat("what its places hold (", Describe(places), ") ", problem));
  }

  absl::Status SetMore() {
    bool has_type = false, has_trace[std::size(kTraceNames)] = {};
    for (const auto& [name, places] : options_.mapping.more) {
      const Value value = reader_.Find(places);
      if (!value.is_there()) continue;
      OUTBOARD_RETURN_IF_ERROR(Set(name, value, places));
      has_type = has_type || name == "datacontenttype";
      for (size_t i = 0; i < std::size(kTraceNames); ++i) {
        has_trace[i] = has_trace[i] || name == kTraceNames[i];
      }
    }
    if (!has_type) SetMediaType();
    for (size_t i = 0; i < std::size(kTraceNames); ++i) {
      const absl::string_view text = TraceText(message_, kTraceNames[i]);
      if (!has_trace[i] && !text.empty()) builder_.SetText(kTraceNames[i], text);
    }
    return absl::OkStatus();
  }

  // The message's own; of a JSON document one that says JSON.
  void SetMediaType() {
    const absl::string_view own = message_.properties.content_type.value_or("");
    if (options_.kind == Kind::kJson) {
      builder_.SetText("datacontenttype", IsJsonMediaType(own) ? own : kJsonType);
    } else if (!own.empty()) {
      builder_.SetText("datacontenttype", own);
    }
  }

  const MessageView& message_;
  const DialectOptions& options_;
  PlaceReader reader_;
  EventBuilder builder_;
};

}  // namespace

absl::StatusOr<Event> DecodeMapped(const MessageView& message, const DialectOptions& options,
                                   const EventLimits& limits) {
  const bool ours = HoldsEvent(message);
  // An event without data has an empty body.
  if (options.kind == Kind::kJson && !(ours && message.body.empty())) {
    OUTBOARD_RETURN_IF_ERROR(CheckJson(message));
  }
  return ours ? DecodeHeaders(message, limits) : Mapper(message, options).Run(limits);
}

}  // namespace outboard::dialect
