#include "host/ingress/order.h"

#include <utility>

namespace outboard::ingress {

uint64_t Order::Enter() {
  MutexLock lock(mu_);
  open_.emplace_back();
  return first_ + open_.size() - 1;
}

void Order::Go(uint64_t place, std::function<void()> go) {
  {
    MutexLock lock(mu_);
    open_[place - first_] = std::move(go);
    if (std::exchange(going_, true)) return;  // Who goes takes it along.
  }
  while (true) {
    std::function<void()> next;
    {
      MutexLock lock(mu_);
      if (open_.empty() || !open_.front()) {
        going_ = false;
        return;
      }
      next = std::move(open_.front());
      open_.pop_front();
      ++first_;
    }
    next();
  }
}

}  // namespace outboard::ingress
