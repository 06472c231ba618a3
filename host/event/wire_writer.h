#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace outboard::event_wire {

inline void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

inline void AppendVarintField(uint8_t tag, uint64_t value, std::string* out) {
  out->push_back(static_cast<char>(tag));
  AppendVarint(value, out);
}

inline void AppendField(uint8_t tag, absl::string_view payload, std::string* out) {
  out->push_back(static_cast<char>(tag));
  AppendVarint(payload.size(), out);
  out->append(payload.data(), payload.size());
}

// An int32 as protobuf writes it: sign-extended to 64 bits.
inline uint64_t Int32Varint(int32_t value) {
  return static_cast<uint64_t>(static_cast<int64_t>(value));
}

// Appends the entry of Event.attributes with the encoded AttributeValue `value`.
void AppendAttribute(absl::string_view name, absl::string_view value, std::string* out);

}  // namespace outboard::event_wire
