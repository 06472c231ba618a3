#include "src/wire.h"

#include <cstring>
#include <limits>

namespace outboard::internal {
namespace {

constexpr int64_t kNanos = 1'000'000'000;

// Length of the UTF-8 character at the start of text; 0 where there is none.
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool surrogate = first == 0xed && second > 0x9f;
  const bool too_large = first == 0xf4 && second > 0x8f;
  return overlong || surrogate || too_large ? 0 : length;
}

}  // namespace

bool WireReader::ReadFixed(int bytes) {
  if (bytes == 0 || end_ - at_ < bytes) return Fail();
  number_ = 0;
  for (int i = 0; i < bytes; ++i) {
    number_ |= static_cast<uint64_t>(static_cast<unsigned char>(at_[i])) << (8 * i);
  }
  at_ += bytes;
  return true;
}

bool WireReader::NextVarint(uint64_t* value) {
  if (at_ == end_ || !ok_) return false;
  return ReadVarint(value);
}

std::pair<std::string_view, std::string_view> ReadEntry(std::string_view wire) {
  std::pair<std::string_view, std::string_view> entry;
  WireReader reader(wire);
  while (reader.Next()) {
    if (reader.field() == 1) entry.first = reader.bytes();
    if (reader.field() == 2) entry.second = reader.bytes();
  }
  return entry;
}

void AppendVarint(std::string* out, uint64_t value) {
  char bytes[10];
  size_t size = 0;
  while (value >= 0x80) {
    bytes[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  bytes[size++] = static_cast<char>(value);
  out->append(bytes, size);
}

void AppendNumberField(std::string* out, uint32_t field, uint64_t value) {
  AppendVarint(out, field << 3);
  AppendVarint(out, value);
}

void AppendBytesField(std::string* out, uint32_t field, std::string_view bytes) {
  AppendVarint(out, field << 3 | 2);
  AppendVarint(out, bytes.size());
  out->append(bytes);
}

void AppendDoubleField(std::string* out, uint32_t field, double value) {
  AppendVarint(out, field << 3 | 1);
  uint64_t bits;
  static_assert(sizeof bits == sizeof value);
  std::memcpy(&bits, &value, sizeof bits);
  for (int i = 0; i < 8; ++i) out->push_back(static_cast<char>(bits >> (8 * i)));
}

void AppendSecondsField(std::string* out, uint32_t field, int64_t nanoseconds) {
  int64_t seconds = nanoseconds / kNanos;
  int64_t nanos = nanoseconds % kNanos;
  std::string message;
  if (seconds != 0) AppendNumberField(&message, 1, static_cast<uint64_t>(seconds));
  if (nanos != 0) AppendNumberField(&message, 2, static_cast<uint64_t>(nanos));
  AppendBytesField(out, field, message);
}

int64_t ReadSeconds(std::string_view wire) {
  int64_t seconds = 0, nanos = 0;
  WireReader reader(wire);
  while (reader.Next()) {
    if (!reader.is_varint()) continue;
    if (reader.field() == 1) seconds = static_cast<int64_t>(reader.number());
    if (reader.field() == 2) nanos = static_cast<int32_t>(reader.number());
  }
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / kNanos - 1;
  if (seconds > kMost) seconds = kMost;
  if (seconds < -kMost) seconds = -kMost;
  return seconds * kNanos + nanos;
}

std::string Utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    result.append(length == 0 ? std::string_view("?") : text.substr(0, length));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return result;
}

}  // namespace outboard::internal
