#include "host/dialect/text_form.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "host/event/wire_reader.h"

namespace outboard::dialect {
namespace {

namespace tag = event_wire::tag;

// The kind that CloudEvents gives an attribute; 0: any.
uint8_t KindOf(absl::string_view name) {
  if (name == "time") return tag::kTimestamp;
  if (name == "dataschema") return tag::kUri;
  if (name == "subject" || name == "datacontenttype") return tag::kString;
  return 0;
}

const char* NameOfKind(uint8_t kind) {
  return kind == tag::kTimestamp ? "ce_timestamp" : kind == tag::kUri ? "ce_uri" : "ce_string";
}

}  // namespace

absl::Status CheckTextForm(const Event& event) {
  event_wire::Reader reader(event.bytes());
  for (event_wire::Field field; !reader.done() && reader.Next(&field);) {
    if (field.tag == tag::kProtoData) {
      return absl::InvalidArgumentError(
          "data: is proto_data, whose type only the protobuf form keeps; send binary_data, or use "
          "the dialect cloudevents");
    }
    if (field.tag != tag::kAttribute) continue;
    const event_wire::Entry entry = event_wire::ReadEntry(field.payload);
    const uint8_t kind = KindOf(entry.name);
    if (kind != 0 && static_cast<uint8_t>(entry.value[0]) != kind) {
      return absl::InvalidArgumentError(absl::StrCat("attribute \"", entry.name, "\": is no ",
                                                     NameOfKind(kind),
                                                     "; send it as one, or use the "
                                                     "dialect cloudevents"));
    }
  }
  return absl::OkStatus();
}

}  // namespace outboard::dialect
