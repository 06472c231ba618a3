#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace outboard::event_wire {

// Tag bytes (field number << 3 | wire type) of the messages in outboard/event/v1/event.proto. All
// are one byte, so a longer tag is always an unknown field or no minimal encoding.
namespace tag {
// Event.
inline constexpr uint8_t kId = 0x0A;
inline constexpr uint8_t kSource = 0x12;
inline constexpr uint8_t kSpecVersion = 0x1A;
inline constexpr uint8_t kType = 0x22;
inline constexpr uint8_t kAttribute = 0x2A;
inline constexpr uint8_t kBinaryData = 0x32;
inline constexpr uint8_t kTextData = 0x3A;
inline constexpr uint8_t kProtoData = 0x42;
// Entry of Event.attributes.
inline constexpr uint8_t kEntryKey = 0x0A;
inline constexpr uint8_t kEntryValue = 0x12;
// AttributeValue.
inline constexpr uint8_t kBoolean = 0x08;
inline constexpr uint8_t kInteger = 0x10;
inline constexpr uint8_t kString = 0x1A;
inline constexpr uint8_t kBytes = 0x22;
inline constexpr uint8_t kUri = 0x2A;
inline constexpr uint8_t kUriRef = 0x32;
inline constexpr uint8_t kTimestamp = 0x3A;
// google.protobuf.Timestamp.
inline constexpr uint8_t kSeconds = 0x08;
inline constexpr uint8_t kNanos = 0x10;
// google.protobuf.Any.
inline constexpr uint8_t kTypeUrl = 0x0A;
inline constexpr uint8_t kAnyValue = 0x12;
}  // namespace tag

enum class WireError : uint8_t {
  kNone,
  kTruncated,   // The bytes end inside a field.
  kLongTag,     // A tag of more than one byte: an unknown field.
  kWireType,    // A wire type that no field of an event has: fixed, group or invalid.
  kZeroField,   // Field number 0.
  kNotMinimal,  // A varint that is longer than it need be.
  kLongVarint,  // A varint above 64 bits.
};

// What the error means, for people.
const char* Describe(WireError error);

// One field as it lies on the wire.
struct Field {
  const char* begin = nullptr;  // Of the tag.
  uint8_t tag = 0;
  uint64_t varint = 0;        // Of wire type 0.
  absl::string_view payload;  // Of wire type 2; lies in the reader's bytes.
};

// Walks the fields of one message. Stricter than protobuf parsers: what they agree on only by
// chance (long varints, groups) is an error. Never reads beyond its bytes.
class Reader {
 public:
  explicit Reader(absl::string_view bytes)
      : pos_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool done() const { return pos_ == end_; }
  const char* pos() const { return pos_; }
  WireError error() const { return error_; }

  // Reads the next field; must not be done(). False: see error(), and read no further.
  bool Next(Field* field) {
    field->begin = pos_;
    const auto tag = static_cast<uint8_t>(*pos_++);
    field->tag = tag;
    if (tag >= 0x80) return Fail(WireError::kLongTag);
    if ((tag >> 3) == 0) return Fail(WireError::kZeroField);
    if ((tag & 7) == 0) return ReadVarint(&field->varint);
    if ((tag & 7) != 2) return Fail(WireError::kWireType);
    uint64_t size;
    if (!ReadVarint(&size)) return false;
    if (size > static_cast<uint64_t>(end_ - pos_)) return Fail(WireError::kTruncated);
    field->payload = absl::string_view(pos_, size);
    pos_ += size;
    return true;
  }

 private:
  bool Fail(WireError error) {
    error_ = error;
    return false;
  }

  bool ReadVarint(uint64_t* value) {
    if (pos_ == end_) return Fail(WireError::kTruncated);
    const auto first = static_cast<uint8_t>(*pos_++);
    *value = first;
    return first < 0x80 || ReadLongVarint(value);
  }

  // The rest of a varint whose first byte is in *value.
  bool ReadLongVarint(uint64_t* value);

  const char* pos_;
  const char* end_;
  WireError error_ = WireError::kNone;
};

// An entry of Event.attributes.
struct Entry {
  absl::string_view name;
  absl::string_view value;  // The encoded AttributeValue.
};

// Name and value of an entry that was checked, in either order; empty where one is missing or
// malformed.
Entry ReadEntry(absl::string_view entry);

// The value of a varint that holds an int32: sign-extended to 64 bits, as all encoders write it.
// False: it is outside 32 bits.
inline bool AsInt32(uint64_t varint, int32_t* value) {
  *value = static_cast<int32_t>(varint);
  return static_cast<uint64_t>(static_cast<int64_t>(*value)) == varint;
}

}  // namespace outboard::event_wire
