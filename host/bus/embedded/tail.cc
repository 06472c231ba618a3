#include "host/bus/embedded/tail.h"

#include <algorithm>
#include <utility>

namespace outboard::bus {
namespace {

constexpr size_t kMaxTailBytes = 4 << 20;
constexpr size_t kMaxChunks = 4096;
// What an event costs beside its bytes.
constexpr size_t kOverhead = 128;

}  // namespace

void Tail::Append(std::shared_ptr<const Chunk> chunk) {
  const uint64_t end = chunk->end();
  std::vector<std::shared_ptr<const Chunk>> dropped;  // Freed after the lock.
  {
    MutexLock lock(mu_);
    bytes_ += chunk->bytes + kOverhead * chunk->events.size();
    chunks_.push_back(std::move(chunk));
    while (chunks_.size() > 1 && (bytes_ > kMaxTailBytes || chunks_.size() > kMaxChunks)) {
      bytes_ -= chunks_.front()->bytes + kOverhead * chunks_.front()->events.size();
      dropped.push_back(std::move(chunks_.front()));
      chunks_.pop_front();
    }
    first_.store(chunks_.front()->first);
  }
  next_.store(end);
}

std::shared_ptr<const Tail::Chunk> Tail::Find(uint64_t offset) {
  if (offset < first_.load()) return nullptr;
  MutexLock lock(mu_);
  const auto it = std::upper_bound(chunks_.begin(), chunks_.end(), offset,
                                   [](uint64_t o, const auto& chunk) { return o < chunk->first; });
  if (it == chunks_.begin()) return nullptr;
  const std::shared_ptr<const Chunk>& chunk = *std::prev(it);
  return offset < chunk->end() ? chunk : nullptr;
}

}  // namespace outboard::bus
