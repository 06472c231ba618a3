#include "host/app/cli/message_json.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "host/event/json.h"
#include "outboard/plugin/v1/producer.pb.h"

namespace outboard::app {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

Json TimeJson(const google::protobuf::Timestamp& time) {
  const absl::Time t = absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  return absl::FormatTime(absl::RFC3339_full, t, absl::UTCTimeZone());
}

double Seconds(const google::protobuf::Duration& duration) {
  return static_cast<double>(duration.seconds()) + duration.nanos() / 1e9;
}

// In its own type; bytes as base64 in an object of their own.
Json OffsetJson(const plugin::v1::Offset& offset) {
  switch (offset.value_case()) {
    case plugin::v1::Offset::kIntValue: return offset.int_value();
    case plugin::v1::Offset::kDoubleValue: return offset.double_value();
    case plugin::v1::Offset::kStringValue: return offset.string_value();
    case plugin::v1::Offset::kBytesValue:
      return Json{{"bytes", absl::Base64Escape(offset.bytes_value())}};
    case plugin::v1::Offset::VALUE_NOT_SET: break;
  }
  return nullptr;
}

Json Submessage(const Message& message) {
  if (const auto* event = dynamic_cast<const event::v1::Event*>(&message))
    return app::ToJson(*event);
  if (const auto* time = dynamic_cast<const google::protobuf::Timestamp*>(&message))
    return TimeJson(*time);
  if (const auto* duration = dynamic_cast<const google::protobuf::Duration*>(&message)) {
    return Seconds(*duration);
  }
  if (const auto* offset = dynamic_cast<const plugin::v1::Offset*>(&message))
    return OffsetJson(*offset);
  return app::ToJson(message);
}

Json Single(const Message& m, const Reflection& r, const FieldDescriptor* f) {
  switch (f->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return r.GetInt32(m, f);
    case FieldDescriptor::CPPTYPE_INT64: return r.GetInt64(m, f);
    case FieldDescriptor::CPPTYPE_UINT32: return r.GetUInt32(m, f);
    case FieldDescriptor::CPPTYPE_UINT64: return r.GetUInt64(m, f);
    case FieldDescriptor::CPPTYPE_DOUBLE: return r.GetDouble(m, f);
    case FieldDescriptor::CPPTYPE_FLOAT: return r.GetFloat(m, f);
    case FieldDescriptor::CPPTYPE_BOOL: return r.GetBool(m, f);
    case FieldDescriptor::CPPTYPE_ENUM: return r.GetEnum(m, f)->name();
    case FieldDescriptor::CPPTYPE_STRING:
      return f->type() == FieldDescriptor::TYPE_BYTES ? absl::Base64Escape(r.GetString(m, f))
                                                      : r.GetString(m, f);
    case FieldDescriptor::CPPTYPE_MESSAGE: break;
  }
  return r.HasField(m, f) ? Submessage(r.GetMessage(m, f)) : Json(nullptr);
}

// Only texts and messages are repeated in the host's answers.
Json Repeated(const Message& m, const Reflection& r, const FieldDescriptor* f) {
  Json out = Json::array();
  for (int i = 0; i < r.FieldSize(m, f); ++i) {
    if (f->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      out.push_back(Submessage(r.GetRepeatedMessage(m, f, i)));
    } else if (f->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      out.push_back(r.GetRepeatedString(m, f, i));
    }
  }
  return out;
}

Json Map(const Message& m, const Reflection& r, const FieldDescriptor* f) {
  Json out = Json::object();
  for (int i = 0; i < r.FieldSize(m, f); ++i) {
    const Message& entry = r.GetRepeatedMessage(m, f, i);
    const Json key = Single(entry, *entry.GetReflection(), f->message_type()->map_key());
    out[key.is_string() ? key.get<std::string>() : key.dump()] =
        Single(entry, *entry.GetReflection(), f->message_type()->map_value());
  }
  return out;
}

}  // namespace

Json ToJson(const Message& message) {
  Json out = Json::object();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    std::string name = field->name();
    if (field->message_type() == google::protobuf::Duration::descriptor()) name += "_seconds";
    if (field->is_map()) {
      out[name] = Map(message, reflection, field);
    } else {
      out[name] = field->is_repeated() ? Repeated(message, reflection, field)
                                       : Single(message, reflection, field);
    }
  }
  return out;
}

Json ToJson(const event::v1::Event& event) {
  const absl::StatusOr<Event> checked = CheckEvent(event.SerializeAsString(), kAnySize);
  if (!checked.ok()) {
    return {{"id", event.id()}, {"error", std::string(checked.status().message())}};
  }
  Json json = Json::parse(EventToJson(*checked), nullptr, /*allow_exceptions=*/false);
  return json.is_discarded() ? Json{{"id", event.id()}, {"error", "no JSON form"}} : json;
}

std::string ToLine(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace outboard::app
