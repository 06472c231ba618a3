#include "host/event/wire_writer.h"

#include "host/event/wire_reader.h"

namespace outboard::event_wire {

void AppendAttribute(absl::string_view name, absl::string_view value, std::string* out) {
  std::string entry;
  entry.reserve(name.size() + value.size() + 8);
  AppendField(tag::kEntryKey, name, &entry);
  AppendField(tag::kEntryValue, value, &entry);
  AppendField(tag::kAttribute, entry, out);
}

}  // namespace outboard::event_wire
