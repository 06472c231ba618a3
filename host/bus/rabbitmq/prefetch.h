#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "host/bus/rabbitmq/steady.h"

namespace outboard::bus::rabbitmq {

// How many unacknowledged messages a queue is to have here: as many as `most`, and fewer where they
// are so large that together they would exceed the budget of bytes. Pure.
class Prefetch {
 public:
  Prefetch(uint16_t most, uint64_t budget) : most_(most), budget_(budget), now_(most) {}

  // To consume with.
  uint16_t now() const { return now_; }
  void Delivered(size_t bytes);
  // `held`: bytes of those unacknowledged. Another number to consume with, if it has to be changed,
  // which costs a new channel: soon where too much is held, seldom where more could be.
  std::optional<uint16_t> Change(uint64_t held, Steady at);

 private:
  uint16_t Wanted() const;

  const uint16_t most_;
  const uint64_t budget_;
  uint16_t now_;
  double average_ = 0;  // Bytes of a message, of the last hundred or so; 0: not known.
  Steady grow_at_{};    // Not before.
};

}  // namespace outboard::bus::rabbitmq
