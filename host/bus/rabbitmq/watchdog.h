#pragma once

#include <chrono>
#include <cstdint>

#include "host/base/clock.h"
#include "host/bus/rabbitmq/steady.h"

namespace outboard::bus::rabbitmq {

// Finds out that the broker has forgotten a consumer: it could take more and gets nothing, though
// its queue has messages ready at two looks in a row. Costs nothing while messages come, and a look
// now and then on a quiet queue. Pure; of one channel.
class Watchdog {
 public:
  // What one look showed.
  struct Sight {
    uint32_t ready = 0;
    bool maybe_standby = false;  // Another consumer may be the single active one.
  };

  // So long a consumer may be silent before its queue is looked at.
  explicit Watchdog(Duration patience) : patience_(patience) {}

  // Something came.
  void Heard(Steady now) {
    active_ = true;
    Calm(now);
  }
  // The consumer is not there yet, or can take nothing.
  void Calm(Steady now) {
    silent_since_ = now;
    look_at_ = now + patience_;
    asked_ = seen_ready_ = false;
  }

  // When to look next; Steady::max(): an answer is still to come.
  Steady look_at() const { return asked_ ? Steady::max() : look_at_; }
  void Ask() { asked_ = true; }
  // The answer. True: consume anew.
  bool Saw(const Sight& sight, Steady now) {
    if (!asked_) return false;  // Something came meanwhile.
    asked_ = false;
    look_at_ = now + patience_;
    // A standby that has the queue's messages pass by is as it should be. It may have been
    // forgotten too, so after a long time it is built anew, which harms nobody.
    const bool standby = sight.maybe_standby && !active_;
    const bool passed_by = standby && now < silent_since_ + kStandbyFactor * patience_;
    if (sight.ready == 0 || passed_by) return seen_ready_ = false;
    if (seen_ready_) return true;
    seen_ready_ = true;
    look_at_ = now + patience_ / kSecondLook;
    return false;
  }

 private:
  static constexpr int kStandbyFactor = 20;
  static constexpr int kSecondLook = 3;  // It follows sooner by that.

  const Duration patience_;
  bool active_ = false;  // Something has come through the channel.
  bool asked_ = false;
  bool seen_ready_ = false;  // At the last look.
  Steady silent_since_{};
  Steady look_at_{};
};

}  // namespace outboard::bus::rabbitmq
