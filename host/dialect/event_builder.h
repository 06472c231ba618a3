#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/dialect/value.h"
#include "host/event/event.h"
#include "host/event/wire.h"

namespace outboard::dialect {

// Writes the wire bytes of an event, once, field by field.
class EventBuilder {
 public:
  // `size_hint`: bytes of texts and data that will come, about.
  explicit EventBuilder(size_t size_hint) { bytes_.reserve(size_hint + 128); }

  // Sets an attribute of any name, required ones included, in the type that CloudEvents gives it;
  // extensions in the value's own. Returns what is wrong and the fix; null if nothing is.
  const char* Set(absl::string_view name, const Value& value);
  void SetText(absl::string_view name, absl::string_view text);
  void SetData(absl::string_view data);

  // Ends the building. The event, or what CheckEvent says.
  absl::StatusOr<Event> Finish(const EventLimits& limits) {
    return CheckEvent(std::move(bytes_), limits);
  }

 private:
  const char* SetTime(const Value& value);
  const char* SetExtension(absl::string_view name, const Value& value);
  // The attribute `name`, whose encoded AttributeValue is in value_.
  void AppendValue(absl::string_view name);

  std::string bytes_;
  std::string value_;
};

}  // namespace outboard::dialect
