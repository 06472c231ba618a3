#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "host/bus/bus.h"

namespace outboard::bus {

// Publishers that wait for the ends of their events, by offset, on a bus that has a log. Not thread
// safe.
class Receipts {
 public:
  // Nobody waits.
  bool empty() const { return waiting_.empty(); }
  // Someone waits until so many lanes have ended this event, the publish's `event`.
  void Expect(uint64_t offset, std::weak_ptr<ReceiptSink> sink, size_t event, uint32_t lanes);
  bool Expects(uint64_t offset) const { return !waiting_.empty() && waiting_.contains(offset); }
  // A lane has ended it, for good: who is to be told, and the number of the event there. Null:
  // nobody.
  struct Listener {
    std::shared_ptr<ReceiptSink> sink;
    size_t event = 0;
  };
  Listener Take(uint64_t offset);

 private:
  struct Waiting {
    std::weak_ptr<ReceiptSink> sink;
    size_t event = 0;
    uint32_t lanes = 0;  // Still to come.
  };
  std::unordered_map<uint64_t, Waiting> waiting_;
  size_t tidy_at_ = 1024;  // So many: those whose publishers have gone are forgotten.
};

}  // namespace outboard::bus
