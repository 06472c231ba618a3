#pragma once

#include <cstddef>
#include <cstdint>

#include "host/base/clock.h"

namespace outboard::simulation {

// xoshiro256**, seeded by splitmix64. Its own, with its own distributions, so that a seed means the
// same history with every compiler and library.
class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) word = Split(&seed);
  }

  uint64_t Next() {
    const uint64_t result = Rotate(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = Rotate(state_[3], 45);
    return result;
  }

  // 0 .. n-1; n > 0. The bias of the product method is of no account here.
  uint64_t Below(uint64_t n) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * n) >> 64);
  }
  // lo .. hi, both included.
  uint64_t Between(uint64_t lo, uint64_t hi) { return lo + Below(hi - lo + 1); }
  bool Chance(double p) { return static_cast<double>(Next() >> 11) * 0x1.0p-53 < p; }

  // Between lo and hi, every order of magnitude equally likely; lo > 0.
  uint64_t Spread(uint64_t lo, uint64_t hi) {
    int low = 63 - __builtin_clzll(lo), high = 63 - __builtin_clzll(hi);
    const int bit = static_cast<int>(Between(low, high));
    uint64_t value = (1ull << bit) + Below(1ull << bit);
    if (value < lo) value = lo;
    return value > hi ? hi : value;
  }
  Duration SpreadMicros(uint64_t lo, uint64_t hi) { return Duration(Spread(lo, hi)); }

  template <typename T, size_t n>
  const T& Pick(const T (&choices)[n]) {
    return choices[Below(n)];
  }

 private:
  static uint64_t Rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
  static uint64_t Split(uint64_t* x) {
    uint64_t z = (*x += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t state_[4];
};

}  // namespace outboard::simulation
