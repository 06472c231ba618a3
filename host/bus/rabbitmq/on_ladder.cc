#include "host/bus/rabbitmq/on_ladder.h"

#include <algorithm>

namespace outboard::bus::rabbitmq {
namespace {

int64_t SlotOf(Time due) { return due.time_since_epoch() / std::chrono::milliseconds(10); }

}  // namespace

void OnLadder::Add(Time due, Duration due_in, Steady now) {
  MutexLock lock(mu_);
  Due& slot = due_[SlotOf(due)];
  ++slot.count;
  slot.late_at = std::max(slot.late_at, now + due_in + kLate);
}

void OnLadder::Remove(Time due) {
  MutexLock lock(mu_);
  const auto found = due_.find(SlotOf(due));
  if (found != due_.end() && --found->second.count == 0) due_.erase(found);
}

uint64_t OnLadder::Count(Steady now) {
  MutexLock lock(mu_);
  std::erase_if(due_, [now](const auto& one) { return one.second.late_at <= now; });
  uint64_t count = 0;
  for (const auto& [slot, due] : due_) count += due.count;
  return count;
}

}  // namespace outboard::bus::rabbitmq
