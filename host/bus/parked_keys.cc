#include "host/bus/parked_keys.h"

namespace outboard::bus {

void ParkedKeys::Hold(const std::string& key, uint64_t place) { places_[key].insert(place); }

void ParkedKeys::Free(const std::string& key, uint64_t place) {
  const auto found = places_.find(key);
  if (found == places_.end()) return;
  const auto one = found->second.find(place);
  if (one != found->second.end()) found->second.erase(one);
  if (found->second.empty()) places_.erase(found);
}

uint64_t ParkedKeys::FreeUpTo(const std::string& key) const {
  const auto found = places_.find(key);
  return found == places_.end() ? kEverywhere : *found->second.begin();
}

}  // namespace outboard::bus
