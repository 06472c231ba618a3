#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "host/dialect/message_view.h"
#include "host/event/timestamp.h"

namespace outboard::dialect {

// An attribute's value on its way from a message into an event. Its text lies in the message, or in
// the Texts that it was made with.
struct Value {
  enum class Kind : uint8_t {
    kNone,      // Not there.
    kText,      // Of unknown encoding until CheckEvent has seen it.
    kBytes,     // In `text`.
    kInteger,   // In `number`.
    kBoolean,   // In `number`.
    kTime,      // In `time`; may be out of range.
    kCompound,  // An array or table, which no attribute can hold.
  };
  Kind kind = Kind::kNone;
  int64_t number = 0;
  Timestamp time;
  absl::string_view text;

  static Value Text(absl::string_view text) { return {Kind::kText, 0, {}, text}; }
  static Value Integer(int64_t number) { return {Kind::kInteger, number, {}, {}}; }
  static Value Time(Timestamp time) { return {Kind::kTime, 0, time, {}}; }
  bool is_there() const { return kind != Kind::kNone; }
};

// Texts that values point into; they stay where they are.
using Texts = std::deque<std::string>;

// Floating point and decimal numbers become text, as CloudEvents has none.
Value FromField(const FieldView& field, Texts* texts);

// The value in CloudEvents' text form, for attributes that are text (bytes count as text); nothing
// if it has none.
std::optional<std::string> TextOf(const Value& value);

}  // namespace outboard::dialect
