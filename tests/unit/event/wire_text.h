#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"

namespace outboard::wire_text {

// Wire bytes written by hand, apart from the host's own writer. Payloads are shorter than 16 KiB.

inline std::string Length(size_t n) {
  if (n < 128) return std::string(1, static_cast<char>(n));
  return {static_cast<char>(n | 0x80), static_cast<char>(n >> 7)};
}

inline std::string Join(std::initializer_list<std::string> parts) {
  std::string out;
  for (const std::string& part : parts) out += part;
  return out;
}

// A field of wire type 2.
inline std::string Bytes(int number, const std::string& payload) {
  return Join(
      {std::string(1, static_cast<char>(number << 3 | 2)), Length(payload.size()), payload});
}

// A field of wire type 0 with a small value.
inline std::string Small(int number, uint8_t value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}

inline std::string Id(const std::string& v) { return Bytes(1, v); }
inline std::string Source(const std::string& v) { return Bytes(2, v); }
inline std::string Version(const std::string& v) { return Bytes(3, v); }
inline std::string Type(const std::string& v) { return Bytes(4, v); }
// `value` is an encoded AttributeValue.
inline std::string Attribute(const std::string& name, const std::string& value) {
  return Bytes(5, Bytes(1, name) + Bytes(2, value));
}
inline std::string StringAttribute(const std::string& name, const std::string& text) {
  return Attribute(name, Bytes(3, text));
}
inline std::string Binary(const std::string& v) { return Bytes(6, v); }
inline std::string Text(const std::string& v) { return Bytes(7, v); }

// The fields that no event goes without.
inline std::string Core() {
  return Join({Id("1"), Source("tracker"), Version("1.0"), Type("story.created")});
}

}  // namespace outboard::wire_text
