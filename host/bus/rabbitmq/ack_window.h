#pragma once

#include <cstdint>
#include <deque>
#include <set>

#include "host/base/clock.h"

namespace outboard::bus::rabbitmq {

// Which acknowledgements one channel owes: `multiple` up to the low-water mark, those above it one
// by one once they are many or old, so that one slow handler holds up neither the broker nor the
// prefetch. Pure; delivery tags count from 1 in each channel.
class AckWindow {
 public:
  struct Ack {
    uint64_t tag = 0;
    bool multiple = false;
  };

  // Beyond so many above the mark, or so old, they are acknowledged one by one.
  AckWindow(size_t many, Duration old) : many_(many), old_(old) {}

  // Tags come in order. `accepted_at`: for oldest(); `now`: for held_since().
  void Delivered(uint64_t tag, Time accepted_at, Time now = {}) {
    open_.push_back({tag, accepted_at, now, false});
  }
  void Settle(uint64_t tag, Time now);

  // What is to be sent now, in order; all that is settled if `everything`.
  void Take(Time now, bool everything, std::deque<Ack>* out);
  // When Take has something because it became old; kNever: nothing waits.
  Time next_due() const;
  size_t unsettled() const { return open_.size() - settled_; }
  // When the first one was accepted that is not settled; kNever: all are.
  Time oldest() const { return open_.empty() ? kNever : open_.front().accepted_at; }
  // When that one was delivered.
  Time held_since() const { return open_.empty() ? kNever : open_.front().delivered_at; }

 private:
  struct Open {
    uint64_t tag = 0;
    Time accepted_at{};
    Time delivered_at{};
    bool settled = false;
  };
  const size_t many_;
  const Duration old_;
  std::deque<Open> open_;     // Delivered and not passed by the mark.
  size_t settled_ = 0;        // Of open_.
  std::set<uint64_t> above_;  // Settled above the mark, not acknowledged.
  uint64_t multiple_ = 0;     // Acknowledge up to here; 0: nothing.
  Time oldest_ = kNever;      // When the first of above_ was settled.
};

}  // namespace outboard::bus::rabbitmq
