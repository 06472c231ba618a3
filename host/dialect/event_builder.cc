#include "host/dialect/event_builder.h"

#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "host/event/timestamp.h"
#include "host/event/wire_reader.h"
#include "host/event/wire_writer.h"

namespace outboard::dialect {
namespace {

namespace tag = event_wire::tag;

constexpr char kCompoundProblem[] =
    "is an array or object; an attribute is one text, integer or boolean: send it so, or put it "
    "into the data";
constexpr char kTimeRangeProblem[] =
    "is a time outside the years 1 to 9999; send seconds since 1970, or RFC 3339";
constexpr char kIntegerProblem[] = "is no integer of 32 bits; send larger numbers as text";
constexpr char kTimeProblem[] = "is no RFC 3339 time; send it as 2026-01-31T12:00:00Z";

// The tag of a field of its own; 0: the attribute is an entry of the map.
uint8_t TagOf(absl::string_view name) {
  if (name == "id") return tag::kId;
  if (name == "source") return tag::kSource;
  if (name == "type") return tag::kType;
  if (name == "specversion") return tag::kSpecVersion;
  return 0;
}

bool IsText(absl::string_view name) {
  return name == "subject" || name == "datacontenttype" || name == "dataschema" || TagOf(name) != 0;
}

void AppendTimestamp(Timestamp t, std::string* out) {
  std::string message;
  if (t.seconds != 0) {
    event_wire::AppendVarintField(tag::kSeconds, static_cast<uint64_t>(t.seconds), &message);
  }
  if (t.nanos != 0) {
    event_wire::AppendVarintField(tag::kNanos, event_wire::Int32Varint(t.nanos), &message);
  }
  event_wire::AppendField(tag::kTimestamp, message, out);
}

}  // namespace

const char* EventBuilder::Set(absl::string_view name, const Value& value) {
  if (value.kind == Value::Kind::kCompound) return kCompoundProblem;
  if (value.kind == Value::Kind::kTime && !IsValidTimestamp(value.time)) return kTimeRangeProblem;
  if (name == "time") return SetTime(value);
  if (!IsText(name)) return SetExtension(name, value);
  if (value.kind == Value::Kind::kText || value.kind == Value::Kind::kBytes) {
    SetText(name, value.text);
  } else if (const std::optional<std::string> text = TextOf(value)) {
    SetText(name, *text);
  }
  return nullptr;
}

void EventBuilder::SetText(absl::string_view name, absl::string_view text) {
  if (const uint8_t field = TagOf(name)) return event_wire::AppendField(field, text, &bytes_);
  value_.clear();
  event_wire::AppendField(name == "dataschema" ? tag::kUri : tag::kString, text, &value_);
  AppendValue(name);
}

void EventBuilder::SetData(absl::string_view data) {
  event_wire::AppendField(tag::kBinaryData, data, &bytes_);
}

const char* EventBuilder::SetTime(const Value& value) {
  std::optional<Timestamp> t;
  if (value.kind == Value::Kind::kTime) t = value.time;
  if (value.kind == Value::Kind::kText || value.kind == Value::Kind::kBytes) {
    t = ParseTimestamp(value.text);
  }
  if (!t) return kTimeProblem;
  value_.clear();
  AppendTimestamp(*t, &value_);
  AppendValue("time");
  return nullptr;
}

const char* EventBuilder::SetExtension(absl::string_view name, const Value& value) {
  value_.clear();
  switch (value.kind) {
    case Value::Kind::kNone:
    case Value::Kind::kCompound: return nullptr;
    case Value::Kind::kText: event_wire::AppendField(tag::kString, value.text, &value_); break;
    case Value::Kind::kBytes: event_wire::AppendField(tag::kBytes, value.text, &value_); break;
    case Value::Kind::kBoolean:
      event_wire::AppendVarintField(tag::kBoolean, value.number != 0 ? 1 : 0, &value_);
      break;
    case Value::Kind::kTime: AppendTimestamp(value.time, &value_); break;
    case Value::Kind::kInteger: {
      const auto number = static_cast<int32_t>(value.number);
      if (number != value.number) return kIntegerProblem;
      event_wire::AppendVarintField(tag::kInteger, event_wire::Int32Varint(number), &value_);
    }
  }
  AppendValue(name);
  return nullptr;
}

void EventBuilder::AppendValue(absl::string_view name) {
  event_wire::AppendAttribute(name, value_, &bytes_);
}

}  // namespace outboard::dialect
