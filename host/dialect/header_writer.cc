#include "host/dialect/header_writer.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/dialect/dialect.h"
#include "host/dialect/header_reader.h"
#include "host/dialect/text_form.h"
#include "host/event/attribute_value.h"
#include "host/event/timestamp.h"
#include "host/event/wire_reader.h"

namespace outboard::dialect {
namespace {

namespace tag = event_wire::tag;

// AMQP's timestamps are whole seconds from 1970 on; others go as text, and so does `time`, which
// other readers expect as RFC 3339.
Field TimeField(absl::string_view name, Timestamp t) {
  if (name == "time" || t.nanos != 0 || t.seconds < 0) return Field::Text(FormatTimestamp(t));
  Field field = Field::Number(t.seconds);
  field.type = 'T';
  return field;
}

// The checked AttributeValue `value` as a header.
Field ToField(absl::string_view name, absl::string_view value) {
  event_wire::Reader reader(value);
  event_wire::Field wire;
  OUTBOARD_CHECK(!reader.done() && reader.Next(&wire));
  Field field = Field::Text(std::string(wire.payload));
  switch (wire.tag) {
    case tag::kBoolean: return Field::Bool(wire.varint != 0);
    case tag::kInteger:
      field.type = 'I';
      field.number = static_cast<int32_t>(wire.varint);
      break;
    case tag::kBytes: field.type = 'x'; break;
    case tag::kTimestamp: {
      Timestamp t;
      const char* at;
      OUTBOARD_CHECK(event_wire::DecodeTimestamp(wire.payload, &t, &at) == nullptr);
      return TimeField(name, t);
    }
    default: break;
  }
  return field;
}

bool IsTrace(absl::string_view name) {
  return std::find(std::begin(kTraceNames), std::end(kTraceNames), name) != std::end(kTraceNames);
}

absl::Status TooLarge(absl::string_view what, size_t size, size_t limit) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": ", size, " bytes, more than the ", limit,
                   " that a message's headers hold; put it into the data, or use the dialect "
                   "cloudevents with the protobuf form"));
}

class Writer {
 public:
  Writer(absl::string_view prefix, Message* message)
      : prefix_(prefix), message_(*message), headers_(message->properties.headers) {}

  absl::Status Write(const Event& event) {
    OUTBOARD_RETURN_IF_ERROR(Add("specversion", Field::Text("1.0")));
    OUTBOARD_RETURN_IF_ERROR(Add("id", Field::Text(std::string(event.id()))));
    OUTBOARD_RETURN_IF_ERROR(Add("source", Field::Text(std::string(event.source()))));
    OUTBOARD_RETURN_IF_ERROR(Add("type", Field::Text(std::string(event.type()))));
    event_wire::Reader reader(event.bytes());
    for (event_wire::Field field; !reader.done() && reader.Next(&field);) {
      if (field.tag == tag::kBinaryData) message_.body = std::string(field.payload);
      if (field.tag != tag::kAttribute) continue;
      const event_wire::Entry entry = event_wire::ReadEntry(field.payload);
      OUTBOARD_RETURN_IF_ERROR(AddAttribute(entry.name, ToField(entry.name, entry.value)));
    }
    if (total_ <= kMaxHeadersText) return absl::OkStatus();
    return TooLarge("attributes", total_, kMaxHeadersText);
  }

 private:
  absl::Status AddAttribute(absl::string_view name, Field field) {
    if (name == "datacontenttype") {
      if (field.text.size() > kMaxShortText) {
        return TooLarge("attribute \"datacontenttype\"", field.text.size(), kMaxShortText);
      }
      message_.properties.content_type = std::move(field.text);
      return absl::OkStatus();
    }
    if (name == "time") SetTimestamp(field.text);
    if (IsTrace(name) && field.type == 'S') Append(std::string(name), field);
    return Add(name, std::move(field));
  }

  absl::Status Add(absl::string_view name, Field field) {
    if (field.text.size() > kMaxHeaderText) {
      return TooLarge(absl::StrCat("attribute \"", name, "\""), field.text.size(), kMaxHeaderText);
    }
    Append(absl::StrCat(prefix_, name), std::move(field));
    return absl::OkStatus();
  }

  void Append(std::string header, Field field) {
    total_ += header.size() + field.text.size() + sizeof(field.number);
    headers_.emplace_back(std::move(header), std::move(field));
  }

  void SetTimestamp(absl::string_view time) {
    const std::optional<Timestamp> t = ParseTimestamp(time);
    if (t && t->seconds >= 0) message_.properties.timestamp = static_cast<uint64_t>(t->seconds);
  }

  const absl::string_view prefix_;
  Message& message_;
  Table& headers_;
  size_t total_ = 0;
};

}  // namespace

absl::Status WriteHeaders(const Event& event, absl::string_view prefix, Message* message) {
  OUTBOARD_RETURN_IF_ERROR(CheckTextForm(event));
  return Writer(prefix, message).Write(event);
}

}  // namespace outboard::dialect
