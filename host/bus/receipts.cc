#include "host/bus/receipts.h"

#include <algorithm>
#include <utility>

namespace outboard::bus {

void Receipts::Expect(uint64_t offset, std::weak_ptr<ReceiptSink> sink, size_t event,
                      uint32_t lanes) {
  if (lanes == 0) return;
  if (waiting_.size() >= tidy_at_) {
    std::erase_if(waiting_, [](const auto& entry) { return entry.second.sink.expired(); });
    tidy_at_ = std::max<size_t>(1024, waiting_.size() * 2);
  }
  waiting_[offset] = {std::move(sink), event, lanes};
}

Receipts::Listener Receipts::Take(uint64_t offset) {
  const auto found = waiting_.find(offset);
  if (found == waiting_.end()) return {};
  Waiting& waiting = found->second;
  Listener listener{waiting.sink.lock(), waiting.event};
  if (--waiting.lanes == 0) waiting_.erase(found);
  return listener;
}

}  // namespace outboard::bus
