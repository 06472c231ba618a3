#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "absl/container/flat_hash_map.h"

namespace outboard::bus {

// What later events of a key wait behind, by the places of events on a lane's bus. Pure.
class ParkedKeys {
 public:
  static constexpr uint64_t kEverywhere = ~uint64_t{0};

  // From now on what is of this key and stands behind `place` waits.
  void Hold(const std::string& key, uint64_t place);
  // Takes one such Hold back.
  void Free(const std::string& key, uint64_t place);
  bool Waits(const std::string& key, uint64_t place) const { return place > FreeUpTo(key); }
  // The last place at which an event of the key does not wait.
  uint64_t FreeUpTo(const std::string& key) const;
  bool empty() const { return places_.empty(); }

 private:
  absl::flat_hash_map<std::string, std::multiset<uint64_t>> places_;
};

}  // namespace outboard::bus
