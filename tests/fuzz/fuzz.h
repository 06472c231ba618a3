#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

// What libFuzzer and replay_test.cc call; returns 0. Aborts on what must not be.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace outboard::fuzz {

inline absl::string_view AsText(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Aborts with the input if `problem` says something.
inline void Expect(const std::string& problem, absl::string_view input) {
  if (problem.empty()) return;
  std::fprintf(stderr, "%s\ninput (hex): %s\n", problem.c_str(),
               absl::BytesToHexString(input).c_str());
  std::abort();
}

}  // namespace outboard::fuzz
