#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace outboard::internal {

// Walks the fields of one protobuf message in place. Groups and malformed input end the walk with
// ok() false.
class WireReader {
 public:
  explicit WireReader(std::string_view wire) : at_(wire.data()), end_(wire.data() + wire.size()) {}

  // Moves to the next field. False at the end and at a fault.
  bool Next();
  bool ok() const { return ok_; }

  uint32_t field() const { return field_; }
  bool is_varint() const { return type_ == 0; }
  bool is_bytes() const { return type_ == 2; }
  // Value of a varint or fixed field; 0 otherwise.
  uint64_t number() const { return number_; }
  // Value of a length-delimited field; empty otherwise.
  std::string_view bytes() const { return bytes_; }
  // Where the current field began.
  const char* begin() const { return begin_; }

  // Reads a bare varint, as packed fields hold them. False at the end and at a fault.
  bool NextVarint(uint64_t* value);

 private:
  bool ReadVarint(uint64_t* value);
  bool ReadFixed(int bytes);
  bool Fail() { return ok_ = false; }

  const char* at_;
  const char* end_;
  const char* begin_ = nullptr;
  uint32_t field_ = 0;
  uint32_t type_ = 0;
  uint64_t number_ = 0;
  std::string_view bytes_;
  bool ok_ = true;
};

inline bool WireReader::ReadVarint(uint64_t* value) {
  uint64_t result = 0;
  for (int shift = 0; shift < 64 && at_ != end_; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at_++);
    result |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = result;
      return true;
    }
  }
  return Fail();
}

inline bool WireReader::Next() {
  if (at_ == end_ || !ok_) return false;
  begin_ = at_;
  uint64_t tag;
  if (!ReadVarint(&tag)) return false;
  field_ = static_cast<uint32_t>(tag >> 3);
  type_ = static_cast<uint32_t>(tag & 7);
  if (field_ == 0) return Fail();
  if (type_ == 0) return ReadVarint(&number_);
  if (type_ == 2) {
    uint64_t size;
    if (!ReadVarint(&size)) return false;
    if (size > static_cast<uint64_t>(end_ - at_)) return Fail();
    bytes_ = std::string_view(at_, size);
    at_ += size;
    return true;
  }
  return ReadFixed(type_ == 1 ? 8 : type_ == 5 ? 4 : 0);
}

// Key and value of a map's entry, as long as both are length-delimited.
std::pair<std::string_view, std::string_view> ReadEntry(std::string_view wire);

void AppendVarint(std::string* out, uint64_t value);
void AppendNumberField(std::string* out, uint32_t field, uint64_t value);
void AppendBytesField(std::string* out, uint32_t field, std::string_view bytes);
void AppendDoubleField(std::string* out, uint32_t field, double value);
// google.protobuf.Duration and Timestamp.
void AppendSecondsField(std::string* out, uint32_t field, int64_t nanoseconds);
// Reads such a message; 0 where it is empty. Nanoseconds, cut to the range of int64.
int64_t ReadSeconds(std::string_view wire);

// The text itself where it is UTF-8, else with '?' for every byte that is not: one bad string would
// end the session.
std::string Utf8(std::string_view text);

}  // namespace outboard::internal
