#include "host/dialect/place.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/dialect/json_pointer.h"
#include "host/dialect/shown.h"
#include "host/event/json_members.h"

namespace outboard::dialect {
namespace {

Value FromText(const std::optional<absl::string_view>& text) {
  return text ? Value::Text(*text) : Value();
}

// No attribute holds more than 32 bits; and what a legacy system sends cannot be changed.
Value WithoutLargeInteger(Value value, Texts* texts) {
  if (value.kind != Value::Kind::kInteger || static_cast<int32_t>(value.number) == value.number) {
    return value;
  }
  return Value::Text(texts->emplace_back(absl::StrCat(value.number)));
}

bool IsEmptyText(const Value& value) {
  return (value.kind == Value::Kind::kText || value.kind == Value::Kind::kBytes) &&
         value.text.empty();
}

const char* NameOfPlace(Place::From from) {
  switch (from) {
    case Place::From::kMessageId: return "property message_id";
    case Place::From::kType: return "property type";
    case Place::From::kAppId: return "property app_id";
    case Place::From::kCorrelationId: return "property correlation_id";
    case Place::From::kTimestamp: return "property timestamp";
    case Place::From::kContentType: return "property content_type";
    case Place::From::kContentEncoding: return "property content_encoding";
    case Place::From::kUserId: return "property user_id";
    case Place::From::kReplyTo: return "property reply_to";
    case Place::From::kExchange: return "exchange";
    case Place::From::kRoutingKey: return "routing key";
    case Place::From::kHeader: return "header";
    case Place::From::kBody: return "body";
    case Place::From::kFixed: return "text";
  }
  return "unknown place";
}

void DescribePlace(std::string* out, const Place& place) {
  absl::StrAppend(out, NameOfPlace(place.from));
  if (place.from == Place::From::kHeader || place.from == Place::From::kFixed) {
    absl::StrAppend(out, " ", Shown(place.text));
  }
  for (const std::string& pointer : place.pointers) absl::StrAppend(out, " ", Shown(pointer));
}

}  // namespace

std::string Describe(const Places& places) { return absl::StrJoin(places, ", ", DescribePlace); }

Value PlaceReader::Find(const Places& places) {
  for (const Place& place : places) {
    const Value value = WithoutLargeInteger(Read(place), &texts_);
    if (value.is_there() && !IsEmptyText(value)) return value;
  }
  return {};
}

Value PlaceReader::Read(const Place& place) {
  const PropertiesView& properties = message_.properties;
  switch (place.from) {
    case Place::From::kMessageId: return FromText(properties.message_id);
    case Place::From::kType: return FromText(properties.type);
    case Place::From::kAppId: return FromText(properties.app_id);
    case Place::From::kCorrelationId: return FromText(properties.correlation_id);
    case Place::From::kContentType: return FromText(properties.content_type);
    case Place::From::kContentEncoding: return FromText(properties.content_encoding);
    case Place::From::kUserId: return FromText(properties.user_id);
    case Place::From::kReplyTo: return FromText(properties.reply_to);
    case Place::From::kExchange: return Value::Text(message_.exchange);
    case Place::From::kRoutingKey: return Value::Text(message_.routing_key);
    case Place::From::kFixed: return Value::Text(place.text);
    case Place::From::kBody: return ReadBody(place);
    case Place::From::kTimestamp:
      if (!properties.timestamp) return {};
      return Value::Time({.seconds = static_cast<int64_t>(*properties.timestamp)});
    case Place::From::kHeader: {
      const FieldView* field = properties.header(place.text);
      return field == nullptr ? Value() : FromField(*field, &texts_);
    }
  }
  return {};
}

Value PlaceReader::ReadBody(const Place& place) {
  if (!body_checked_) {
    body_checked_ = true;
    if (IsJsonText(message_.body)) body_ = message_.body;
  }
  std::optional<absl::string_view> json = body_;
  for (size_t i = 0; json && i < place.pointers.size(); ++i) {
    if (i > 0) json = Open(*json);
    if (json) json = FindJson(*json, place.pointers[i]);
  }
  return json ? FromJson(*json) : Value();
}

std::optional<absl::string_view> PlaceReader::Open(absl::string_view quoted) {
  if (quoted[0] != '"') return std::nullopt;
  for (const Opened& opened : opened_) {
    if (opened.at == quoted.data()) return opened.json;
  }
  const std::string& text = texts_.emplace_back(UnquoteJson(quoted));
  std::optional<absl::string_view> json;
  if (IsJsonText(text)) json = text;
  opened_.push_back({quoted.data(), json});
  return json;
}

Value PlaceReader::FromJson(absl::string_view json) {
  int64_t number;
  switch (json[0]) {
    case '"': return Value::Text(texts_.emplace_back(UnquoteJson(json)));
    case 't':
    case 'f': return {Value::Kind::kBoolean, json[0] == 't' ? 1 : 0, {}, {}};
    case 'n': return {};
    case '{':
    case '[': return {Value::Kind::kCompound, 0, {}, {}};
    default: return absl::SimpleAtoi(json, &number) ? Value::Integer(number) : Value::Text(json);
  }
}

}  // namespace outboard::dialect
