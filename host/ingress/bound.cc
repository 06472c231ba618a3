#include "host/ingress/bound.h"

#include <utility>

namespace outboard::ingress {

bool Bound::CallWhenRoom(std::function<void()> call) {
  MutexLock lock(mu_);
  if (stopped_ || HasRoom()) return false;
  waiting_.push_back(std::move(call));
  return true;
}

void Bound::StopWaiting() {
  std::vector<std::function<void()>> waiting;
  {
    MutexLock lock(mu_);
    stopped_ = true;
    waiting.swap(waiting_);
  }
  for (const auto& call : waiting) call();
}

Load Bound::under_way() const {
  MutexLock lock(mu_);
  return load_;
}

bool Bound::Add(Load more, Load own, bool anyway) {
  MutexLock lock(mu_);
  const Load sum{load_.bytes + more.bytes, load_.events + more.events};
  const bool fits = sum.bytes <= most_.bytes && sum.events <= most_.events;
  if (!fits && !anyway && load_ != own) return false;
  load_ = sum;
  return true;
}

void Bound::GiveBack(Load load) {
  std::vector<std::function<void()>> waiting;
  {
    MutexLock lock(mu_);
    load_.bytes -= load.bytes;
    load_.events -= load.events;
    if (HasRoom()) waiting.swap(waiting_);
  }
  for (const auto& call : waiting) call();
}

Room::Room(Room&& other) noexcept
    : bound_(std::move(other.bound_)), load_(std::exchange(other.load_, {})) {}

Room& Room::operator=(Room&& other) noexcept {
  GiveBack();
  bound_ = std::move(other.bound_);
  load_ = std::exchange(other.load_, {});
  return *this;
}

bool Room::Take(Load more) {
  if (!bound_->Add(more, load_, /*anyway=*/false)) return false;
  load_ = {load_.bytes + more.bytes, load_.events + more.events};
  return true;
}

void Room::TakeAnyway(Load more) {
  bound_->Add(more, load_, /*anyway=*/true);
  load_ = {load_.bytes + more.bytes, load_.events + more.events};
}

void Room::GiveBack() {
  const Load load = std::exchange(load_, {});
  if (load != Load{}) bound_->GiveBack(load);
}

}  // namespace outboard::ingress
