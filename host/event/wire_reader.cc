#include "host/event/wire_reader.h"

namespace outboard::event_wire {

const char* Describe(WireError error) {
  switch (error) {
    case WireError::kNone: return "no error";
    case WireError::kTruncated: return "the bytes end inside a field";
    case WireError::kLongTag: return "unknown field (its tag has more than one byte)";
    case WireError::kWireType:
      return "unknown field (no field of an event is a fixed-size number or a group)";
    case WireError::kZeroField: return "field number 0";
    case WireError::kNotMinimal: return "a varint is longer than it need be";
    case WireError::kLongVarint: return "a varint is above 64 bits";
  }
  return "unknown error";
}

bool Reader::ReadLongVarint(uint64_t* value) {
  uint64_t result = *value & 0x7F;
  for (int shift = 7; shift < 70; shift += 7) {
    if (pos_ == end_) return Fail(WireError::kTruncated);
    const auto byte = static_cast<uint8_t>(*pos_++);
    if (byte == 0) return Fail(WireError::kNotMinimal);
    if (shift == 63 && byte > 1) return Fail(WireError::kLongVarint);
    result |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      *value = result;
      return true;
    }
  }
  return Fail(WireError::kLongVarint);
}

Entry ReadEntry(absl::string_view entry) {
  Entry result;
  Reader reader(entry);
  for (Field field; !reader.done() && reader.Next(&field);) {
    if (field.tag == tag::kEntryKey) result.name = field.payload;
    if (field.tag == tag::kEntryValue) result.value = field.payload;
  }
  return result;
}

}  // namespace outboard::event_wire
