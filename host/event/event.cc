#include "host/event/event.h"

#include <limits>
#include <utility>

#include "host/event/attribute_value.h"
#include "host/event/wire_reader.h"

namespace outboard {
namespace {

namespace tag = event_wire::tag;
using event_wire::Field;
using event_wire::Reader;

absl::Status DataLoss(const char* problem) { return absl::DataLossError(problem); }

}  // namespace

absl::StatusOr<Event> Event::FromChecked(std::string bytes) {
  if (bytes.size() > std::numeric_limits<uint32_t>::max()) {
    return DataLoss("stored event: larger than 4 GiB");
  }
  auto rep = std::make_shared<Rep>();
  rep->bytes = std::move(bytes);
  const char* const begin = rep->bytes.data();
  const auto set = [begin](const Field& field, Span* span) {
    if (span->size != 0 || field.payload.empty()) return false;
    span->offset = static_cast<uint32_t>(field.payload.data() - begin);
    span->size = static_cast<uint32_t>(field.payload.size());
    return true;
  };
  bool has_version = false, has_data = false, ok = true;
  Reader reader(rep->bytes);
  for (Field field; ok && !reader.done();) {
    if (!reader.Next(&field))
      return DataLoss("stored event: its bytes are no event (damaged field)");
    switch (field.tag) {
      case tag::kId: ok = set(field, &rep->id); break;
      case tag::kSource: ok = set(field, &rep->source); break;
      case tag::kType: ok = set(field, &rep->type); break;
      case tag::kSpecVersion:
        ok = !has_version && field.payload == "1.0";
        has_version = true;
        break;
      case tag::kAttribute: break;
      case tag::kBinaryData:
      case tag::kProtoData:
        ok = !has_data;
        has_data = true;
        break;
      default: ok = false;
    }
  }
  if (!ok || !has_version || rep->id.size == 0 || rep->source.size == 0 || rep->type.size == 0) {
    return DataLoss(
        "stored event: its bytes are no event (a field is missing, repeated or unknown)");
  }
  Event event;
  event.rep_ = std::move(rep);
  return event;
}

std::optional<std::string> Event::attribute(absl::string_view name) const {
  if (empty()) return std::nullopt;
  if (name == "id") return std::string(id());
  if (name == "source") return std::string(source());
  if (name == "type") return std::string(type());
  if (name == "specversion") return "1.0";
  Reader reader(bytes());
  for (Field field; !reader.done();) {
    if (!reader.Next(&field)) return std::nullopt;
    if (field.tag != tag::kAttribute) continue;
    const event_wire::Entry entry = event_wire::ReadEntry(field.payload);
    if (entry.name == name) return event_wire::ValueText(entry.value);
  }
  return std::nullopt;
}

}  // namespace outboard
