#include "host/bus/rabbitmq/ack_window.h"

#include <algorithm>

namespace outboard::bus::rabbitmq {

void AckWindow::Settle(uint64_t tag, Time now) {
  const auto it = std::lower_bound(open_.begin(), open_.end(), tag,
                                   [](const Open& open, uint64_t t) { return open.tag < t; });
  if (it == open_.end() || it->tag != tag || it->settled) return;
  it->settled = true;
  ++settled_;
  if (it != open_.begin()) {
    if (above_.empty()) oldest_ = now;
    above_.insert(tag);
    return;
  }
  // The mark moves. What was acknowledged by itself already may not be named again.
  multiple_ = tag;
  while (!open_.empty() && open_.front().settled) {
    const uint64_t passed = open_.front().tag;
    if (above_.erase(passed) > 0) multiple_ = passed;
    open_.pop_front();
    --settled_;
  }
  if (above_.empty()) oldest_ = kNever;
}

void AckWindow::Take(Time now, bool everything, std::deque<Ack>* out) {
  if (multiple_ != 0) {
    out->push_back({multiple_, true});
    multiple_ = 0;
  }
  if (above_.empty()) return;
  if (!everything && above_.size() < many_ && now < oldest_ + old_) return;
  for (const uint64_t tag : above_) out->push_back({tag, false});
  above_.clear();
  oldest_ = kNever;
}

Time AckWindow::next_due() const { return oldest_ == kNever ? kNever : oldest_ + old_; }

}  // namespace outboard::bus::rabbitmq
