#include "outboard/event.h"

#include <ctime>

#include "src/wire.h"

namespace outboard {
namespace {

using internal::AppendBytesField;
using internal::AppendNumberField;
using internal::WireReader;

// Fields of outboard.event.v1.Event.
enum EventField : uint32_t {
  kId = 1,
  kSource = 2,
  kSpecVersion = 3,
  kType = 4,
  kAttributes = 5,
  kBinary = 6,
  kText = 7,
  kProto = 8
};
// Fields of outboard.event.v1.AttributeValue.
enum AttributeField : uint32_t {
  kBoolean = 1,
  kInteger = 2,
  kString = 3,
  kBytes = 4,
  kUri = 5,
  kUriRef = 6,
  kTimestamp = 7
};

// Takes out what `is_replaced` says yes to. A host refuses an event that has a field or an
// attribute twice.
template <typename Predicate>
void Remove(std::string* wire, Predicate is_replaced) {
  WireReader reader(*wire);
  while (reader.Next()) {
    if (!reader.is_bytes() || !is_replaced(reader)) continue;
    const char* end = reader.bytes().data() + reader.bytes().size();
    wire->erase(reader.begin() - wire->data(), end - reader.begin());
    return;
  }
}

void ReplaceBytesField(std::string* wire, uint32_t field, std::string_view bytes) {
  Remove(wire, [&](const WireReader& reader) { return reader.field() == field; });
  AppendBytesField(wire, field, bytes);
}

Attribute ReadAttribute(std::string_view wire) {
  Attribute value;
  WireReader reader(wire);
  while (reader.Next()) {
    switch (reader.field()) {
      case kBoolean:
        value.kind = Attribute::Kind::kBoolean;
        value.boolean = reader.number() != 0;
        break;
      case kInteger:
        value.kind = Attribute::Kind::kInteger;
        value.integer = static_cast<int32_t>(reader.number());
        break;
      case kTimestamp:
        value.kind = Attribute::Kind::kTimestamp;
        value.timestamp =
            Timestamp(std::chrono::nanoseconds(internal::ReadSeconds(reader.bytes())));
        break;
      case kString:
      case kBytes:
      case kUri:
      case kUriRef: {
        constexpr Attribute::Kind kKinds[] = {Attribute::Kind::kString, Attribute::Kind::kBytes,
                                              Attribute::Kind::kUri, Attribute::Kind::kUriRef};
        value.kind = kKinds[reader.field() - kString];
        value.text = reader.bytes();
        break;
      }
      default: break;
    }
  }
  return value;
}

std::string FormatTime(Timestamp time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto nanos = (time - seconds).count();
  const std::time_t whole = seconds.time_since_epoch().count();
  std::tm utc{};
  gmtime_r(&whole, &utc);
  char text[40];
  size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::string result(text, size);
  if (nanos != 0) {
    std::string digits = std::to_string(1'000'000'000 + nanos).substr(1);
    digits.erase(digits.find_last_not_of('0') + 1);
    result += "." + digits;
  }
  return result + "Z";
}

}  // namespace

std::string Attribute::ToString() const {
  switch (kind) {
    case Kind::kBoolean: return boolean ? "true" : "false";
    case Kind::kInteger: return std::to_string(integer);
    case Kind::kTimestamp: return FormatTime(timestamp);
    default: return std::string(text);
  }
}

std::optional<Event> Event::Parse(std::string_view wire) {
  Event event;
  event.wire_ = wire;
  WireReader reader(wire);
  while (reader.Next()) {
    if (!reader.is_bytes()) {
      if (reader.field() <= kProto) return std::nullopt;
      continue;
    }
    switch (reader.field()) {
      case kId: event.id_ = reader.bytes(); break;
      case kSource: event.source_ = reader.bytes(); break;
      case kSpecVersion: event.spec_version_ = reader.bytes(); break;
      case kType: event.type_ = reader.bytes(); break;
      case kAttributes:
        if (event.attributes_.empty()) {
          event.attributes_ = wire.substr(reader.begin() - wire.data());
        }
        break;
      case kBinary:
      case kText:
      case kProto:
        if (!event.ReadData(reader.field(), reader.bytes())) return std::nullopt;
        break;
      default: break;
    }
  }
  if (!reader.ok()) return std::nullopt;
  return event;
}

bool Event::ReadData(uint32_t field, std::string_view bytes) {
  data_type_url_ = {};
  data_ = bytes;
  data_kind_ = field == kBinary ? DataKind::kBinary : DataKind::kText;
  if (field != kProto) return true;
  data_kind_ = DataKind::kProto;
  data_ = {};
  WireReader any(bytes);
  while (any.Next()) {
    if (any.field() == 1) data_type_url_ = any.bytes();
    if (any.field() == 2) data_ = any.bytes();
  }
  return any.ok();
}

std::optional<Attribute> Event::attribute(std::string_view name) const {
  std::optional<Attribute> found;
  WireReader reader(attributes_);
  while (reader.Next()) {
    if (reader.field() != kAttributes) continue;
    const auto [key, value] = internal::ReadEntry(reader.bytes());
    if (key == name) found = ReadAttribute(value);  // The last one of a name counts.
  }
  return found;
}

std::string_view Event::text(std::string_view name) const {
  const std::optional<Attribute> found = attribute(name);
  return found ? found->text : std::string_view();
}

std::optional<Timestamp> Event::time() const {
  const std::optional<Attribute> found = attribute("time");
  if (!found || found->kind != Attribute::Kind::kTimestamp) return std::nullopt;
  return found->timestamp;
}

void Event::ForEachAttribute(
    const std::function<void(std::string_view name, const Attribute& value)>& visit) const {
  WireReader reader(attributes_);
  while (reader.Next()) {
    if (reader.field() != kAttributes) continue;
    const auto [key, value] = internal::ReadEntry(reader.bytes());
    visit(key, ReadAttribute(value));
  }
}

NewEvent::NewEvent(std::string_view type) { AppendBytesField(&wire_, kType, type); }

NewEvent NewEvent::From(const Event& event) {
  NewEvent copy;
  copy.wire_ = event.wire();
  return copy;
}

NewEvent& NewEvent::Id(std::string_view id) {
  ReplaceBytesField(&wire_, kId, id);
  return *this;
}

NewEvent& NewEvent::Source(std::string_view source) {
  ReplaceBytesField(&wire_, kSource, source);
  return *this;
}

NewEvent& NewEvent::Data(std::string_view bytes) {
  Remove(&wire_, [](const WireReader& reader) {
    return reader.field() == kBinary || reader.field() == kText || reader.field() == kProto;
  });
  AppendBytesField(&wire_, kBinary, bytes);
  return *this;
}

NewEvent& NewEvent::Json(std::string_view json) {
  return DataContentType("application/json").Data(json);
}

NewEvent& NewEvent::SetEncoded(std::string_view name, std::string_view value) {
  Remove(&wire_, [&](const WireReader& reader) {
    return reader.field() == kAttributes && internal::ReadEntry(reader.bytes()).first == name;
  });
  std::string entry;
  AppendBytesField(&entry, 1, name);
  AppendBytesField(&entry, 2, value);
  AppendBytesField(&wire_, kAttributes, entry);
  return *this;
}

NewEvent& NewEvent::Set(std::string_view name, std::string_view text) {
  std::string value;
  AppendBytesField(&value, kString, text);
  return SetEncoded(name, value);
}

NewEvent& NewEvent::Set(std::string_view name, int32_t number) {
  std::string value;
  AppendNumberField(&value, kInteger, static_cast<uint64_t>(static_cast<int64_t>(number)));
  return SetEncoded(name, value);
}

NewEvent& NewEvent::Set(std::string_view name, bool truth) {
  std::string value;
  AppendNumberField(&value, kBoolean, truth ? 1 : 0);
  return SetEncoded(name, value);
}

NewEvent& NewEvent::Set(std::string_view name, Timestamp time) {
  // Whole seconds downwards, so that the nanoseconds are never negative.
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  std::string message, value;
  if (const int64_t count = seconds.time_since_epoch().count(); count != 0) {
    AppendNumberField(&message, 1, static_cast<uint64_t>(count));
  }
  if (const int64_t nanos = (time - seconds).count(); nanos != 0) {
    AppendNumberField(&message, 2, static_cast<uint64_t>(nanos));
  }
  AppendBytesField(&value, kTimestamp, message);
  return SetEncoded(name, value);
}

}  // namespace outboard
