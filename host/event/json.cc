#include "host/event/json.h"

#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/event/attribute_error.h"
#include "host/event/attribute_value.h"
#include "host/event/json_members.h"
#include "host/event/timestamp.h"
#include "host/event/wire_reader.h"
#include "host/event/wire_writer.h"
#include "nlohmann/json.hpp"

namespace outboard {
namespace {

namespace tag = event_wire::tag;
using event_wire::AppendField;
using event_wire::AppendVarintField;
using event_wire::Field;
using event_wire::Reader;
using nlohmann::json;

constexpr absl::string_view kJsonType = "application/json";

absl::Status Invalid(absl::string_view member, absl::string_view problem) {
  return AboutAttribute(member,
                        absl::InvalidArgumentError(absl::StrCat(
                            "member \"", Truncate(EscapeForPeople(member), 80), "\": ", problem)));
}

// True for application/json, text/json, application/cloudevents+json, ...; parameters do not count.
bool IsJsonType(absl::string_view media_type) {
  const absl::string_view essence =
      absl::StripAsciiWhitespace(media_type.substr(0, media_type.find(';')));
  return absl::EndsWithIgnoreCase(essence, "/json") || absl::EndsWithIgnoreCase(essence, "+json");
}

std::string Quoted(absl::string_view text) {
  return json(std::string(text)).dump(-1, ' ', false, json::error_handler_t::replace);
}

// Builds the wire bytes of an event from the members of its JSON object.
class JsonReader {
 public:
  absl::StatusOr<std::string> Read(absl::string_view text) {
    OUTBOARD_ASSIGN_OR_RETURN(const std::vector<JsonMember> members, SplitJsonObject(text));
    for (const JsonMember& member : members) {
      if (!names_.insert(member.name).second)
        return Invalid(member.name, "is there twice; write it once");
      OUTBOARD_RETURN_IF_ERROR(ReadMember(member));
    }
    if (!names_.contains("id")) return Invalid("id", "is missing; set it");
    OUTBOARD_RETURN_IF_ERROR(WriteData());
    return std::move(bytes_);
  }

 private:
  absl::Status ReadMember(const JsonMember& member) {
    if (member.value == "null") return ReadNull(member.name);
    if (member.name == "id") return ReadText(tag::kId, member);
    if (member.name == "source") return ReadText(tag::kSource, member);
    if (member.name == "type") return ReadText(tag::kType, member);
    if (member.name == "specversion") return ReadText(tag::kSpecVersion, member);
    if (member.name == "data_base64") return ReadBase64(member.value);
    if (member.name != "data") return ReadAttribute(member.name, member.value);
    data_ = member.value;
    return absl::OkStatus();
  }

  // CloudEvents: null is the same as not there.
  static absl::Status ReadNull(absl::string_view name) {
    if (name == "id" || name == "source" || name == "type") return Invalid(name, "is null; set it");
    return absl::OkStatus();
  }

  absl::Status ReadText(uint8_t tag, const JsonMember& member) {
    if (!IsString(member.value)) return Invalid(member.name, "is no string; write it in quotes");
    AppendField(tag, UnquoteJson(member.value), &bytes_);
    return absl::OkStatus();
  }

  absl::Status ReadBase64(absl::string_view value) {
    std::string bytes;
    if (!IsString(value) || !absl::Base64Unescape(UnquoteJson(value), &bytes)) {
      return Invalid("data_base64", "is no base64 text; encode the bytes as base64, or use data");
    }
    data_base64_ = std::move(bytes);
    return absl::OkStatus();
  }

  absl::Status ReadAttribute(absl::string_view name, absl::string_view value) {
    std::string encoded;
    if (IsString(value)) {
      OUTBOARD_RETURN_IF_ERROR(EncodeString(name, UnquoteJson(value), &encoded));
    } else if (IsTextOnly(name)) {
      return Invalid(name, "is no string; write it in quotes");
    } else if (value == "true" || value == "false") {
      AppendVarintField(tag::kBoolean, value == "true" ? 1 : 0, &encoded);
    } else if (value[0] == '{' || value[0] == '[') {
      return Invalid(name,
                     "is an object or array; an attribute is a string, an integer or a boolean");
    } else {
      int32_t integer;
      if (!absl::SimpleAtoi(value, &integer)) {
        return Invalid(name, "is no integer of 32 bits; write other numbers as a string");
      }
      AppendVarintField(tag::kInteger, event_wire::Int32Varint(integer), &encoded);
    }
    event_wire::AppendAttribute(name, encoded, &bytes_);
    return absl::OkStatus();
  }

  static bool IsString(absl::string_view value) { return value[0] == '"'; }

  static bool IsTextOnly(absl::string_view name) {
    return name == "time" || name == "subject" || name == "dataschema" || name == "datacontenttype";
  }

  absl::Status EncodeString(absl::string_view name, const std::string& text, std::string* encoded) {
    if (name == "time") {
      const std::optional<Timestamp> t = ParseTimestamp(text);
      if (!t) return Invalid(name, "is no RFC 3339 time; write it as 2026-01-31T12:00:00Z");
      AppendField(tag::kTimestamp, EncodeTimestamp(*t), encoded);
      return absl::OkStatus();
    }
    if (name == "datacontenttype") media_type_ = text;
    AppendField(name == "dataschema" ? tag::kUri : tag::kString, text, encoded);
    return absl::OkStatus();
  }

  static std::string EncodeTimestamp(Timestamp t) {
    std::string out;
    if (t.seconds != 0) AppendVarintField(tag::kSeconds, static_cast<uint64_t>(t.seconds), &out);
    if (t.nanos != 0) AppendVarintField(tag::kNanos, event_wire::Int32Varint(t.nanos), &out);
    return out;
  }

  absl::Status WriteData() {
    if (data_base64_) {
      if (data_) return Invalid("data", "stands beside data_base64; write one of them");
      AppendField(tag::kBinaryData, *data_base64_, &bytes_);
      return absl::OkStatus();
    }
    if (!data_) return absl::OkStatus();
    if (!media_type_) {
      std::string encoded;
      AppendField(tag::kString, kJsonType, &encoded);
      event_wire::AppendAttribute("datacontenttype", encoded, &bytes_);
    } else if (!IsJsonType(*media_type_)) {
      if (!IsString(*data_)) {
        return Invalid("data",
                       "is no string, though datacontenttype is no JSON type; write a string, or "
                       "data_base64, or change datacontenttype");
      }
      AppendField(tag::kBinaryData, UnquoteJson(*data_), &bytes_);
      return absl::OkStatus();
    }
    AppendField(tag::kBinaryData, *data_, &bytes_);
    return absl::OkStatus();
  }

  std::string bytes_;
  std::set<std::string> names_;
  std::optional<absl::string_view> data_;
  std::optional<std::string> data_base64_;
  std::optional<std::string> media_type_;
};

// The payload of an event and how it is marked.
struct Payload {
  bool present = false;
  absl::string_view bytes;
  std::optional<std::string> media_type;
};

// "data":... or "data_base64":...; reads back to the same bytes.
std::string DataMember(const Payload& payload) {
  const bool is_json = !payload.media_type || IsJsonType(*payload.media_type);
  if (!is_json && IsValidUtf8(payload.bytes))
    return absl::StrCat("\"data\":", Quoted(payload.bytes));
  if (is_json && payload.bytes != "null" && IsJsonText(payload.bytes)) {
    // In valid JSON these stand only between tokens; without them an event is one line.
    std::string text(payload.bytes);
    for (char& c : text) {
      if (c == '\n' || c == '\r') c = ' ';
    }
    return absl::StrCat("\"data\":", text);
  }
  return absl::StrCat("\"data_base64\":\"", absl::Base64Escape(payload.bytes), "\"");
}

std::string ValueMember(const event_wire::Entry& entry) {
  const std::string text = event_wire::ValueText(entry.value).value_or("");
  const char first = entry.value.empty() ? 0 : entry.value[0];
  const bool bare = first == tag::kBoolean || first == tag::kInteger;
  return absl::StrCat(",\"", entry.name, "\":", bare ? text : Quoted(text));
}

void AppendProtoData(const Event& event, absl::string_view any, std::string* out) {
  absl::string_view url, value;
  Reader reader(any);
  for (Field field; !reader.done() && reader.Next(&field);) {
    if (field.tag == tag::kTypeUrl) url = field.payload;
    if (field.tag == tag::kAnyValue) value = field.payload;
  }
  if (!event.attribute("datacontenttype"))
    absl::StrAppend(out, ",\"datacontenttype\":\"application/protobuf\"");
  if (!event.attribute("dataschema")) absl::StrAppend(out, ",\"dataschema\":", Quoted(url));
  absl::StrAppend(out, ",\"data_base64\":\"", absl::Base64Escape(value), "\"");
}

}  // namespace

absl::StatusOr<Event> EventFromJson(absl::string_view json, const EventLimits& limits) {
  OUTBOARD_ASSIGN_OR_RETURN(std::string bytes, JsonReader().Read(json));
  return CheckEvent(std::move(bytes), limits);
}

std::string EventToJson(const Event& event) {
  if (event.empty()) return "{}";
  std::string out =
      absl::StrCat("{\"specversion\":\"1.0\",\"id\":", Quoted(event.id()),
                   ",\"source\":", Quoted(event.source()), ",\"type\":", Quoted(event.type()));
  Payload payload;
  Reader reader(event.bytes());
  absl::string_view any;
  for (Field field; !reader.done() && reader.Next(&field);) {
    if (field.tag == tag::kAttribute) {
      const event_wire::Entry entry = event_wire::ReadEntry(field.payload);
      if (entry.name == "datacontenttype") payload.media_type = event_wire::ValueText(entry.value);
      absl::StrAppend(&out, ValueMember(entry));
    } else if (field.tag == tag::kBinaryData) {
      payload.present = true;
      payload.bytes = field.payload;
    } else if (field.tag == tag::kProtoData) {
      any = field.payload;
    }
  }
  if (!any.empty()) AppendProtoData(event, any, &out);
  if (payload.present) absl::StrAppend(&out, ",", DataMember(payload));
  return out + "}";
}

}  // namespace outboard
