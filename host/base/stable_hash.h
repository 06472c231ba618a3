#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace outboard {

// Of texts in turn (FNV-1a): the same on every machine and in every version, for names on brokers.
class StableHash {
 public:
  void Add(absl::string_view text) {
    for (const char c : text) Add(static_cast<uint8_t>(c));
    Add(0xff);  // The end of a text; no byte of UTF-8.
  }
  uint64_t value() const { return value_; }

 private:
  void Add(uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001b3; }
  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace outboard
