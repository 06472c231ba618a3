#include "host/lane/outcome_run.h"

#include <algorithm>
#include <vector>

namespace outboard::lane {
namespace {

// FNV-1a: the same on every run, so that histories reproduce.
uint64_t Hash(absl::string_view text) {
  uint64_t h = 0xCBF29CE484222325u;
  for (const char c : text) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return h;
}

}  // namespace

void OutcomeRun::AddFailure(absl::string_view event_id) {
  last_.push_back(Hash(event_id));
  if (last_.size() > outcomes_) last_.pop_front();
}

bool OutcomeRun::IsOutage() const {
  if (last_.size() < outcomes_) return false;
  std::vector<uint64_t> ids(last_.begin(), last_.end());
  std::sort(ids.begin(), ids.end());
  return std::unique(ids.begin(), ids.end()) - ids.begin() >= static_cast<ptrdiff_t>(events_);
}

}  // namespace outboard::lane
