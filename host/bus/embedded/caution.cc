#include "host/bus/embedded/caution.h"

#include <utility>

#include "absl/status/statusor.h"

namespace outboard::bus {

Event Caution::Peek(uint64_t offset, absl::string_view bytes,
                    std::optional<DeadReason>* why) const {
  Event out;
  const auto decode = [&] { out = Event::FromChecked(std::string(bytes)).value_or(Event()); };
  std::optional<DeadReason> why_not = Read(kLog, offset, offset, bytes, decode, false);
  if (why != nullptr) *why = std::move(why_not);
  return out;
}

std::optional<DeadReason> Caution::WhyNot(uint64_t offset) const {
  if (!Convicted(offset)) return std::nullopt;
  return DeadReason{kHostCrash, "hosts died before while they decoded and routed it", ""};
}

void Caution::Convict(uint64_t offset) {
  if (offset == 0) return;
  MutexLock lock(mu_);
  convicted_.insert(offset);
  any_.store(true, std::memory_order_release);
}

void Caution::Acquit(uint64_t offset) {
  MutexLock lock(mu_);
  convicted_.erase(offset);
  any_.store(!convicted_.empty(), std::memory_order_release);
}

bool Caution::IsIn(uint64_t offset) const {
  MutexLock lock(mu_);
  return convicted_.contains(offset);
}

}  // namespace outboard::bus
