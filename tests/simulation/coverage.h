#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

namespace outboard::simulation {

enum class Cover : uint8_t {
#define X(name, text) name,
#include "tests/simulation/coverage.def"
#undef X
  kCount,
};

// How often each was seen. One thread; threads' tables are added up at the end.
class Coverage {
 public:
  void Saw(Cover what, uint64_t times = 1) { counts_[static_cast<size_t>(what)] += times; }
  void Add(const Coverage& other);
  // Prints the table; returns how many were never seen.
  int Print(std::FILE* out) const;

 private:
  std::array<uint64_t, static_cast<size_t>(Cover::kCount)> counts_{};
};

}  // namespace outboard::simulation
