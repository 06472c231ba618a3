#include "src/queue.h"

#include <cstring>

namespace outboard::internal {

void ArrivalQueue::Push(std::shared_ptr<Batch> batch) {
  const bool many = batch->deliveries.size() > 1;
  {
    std::lock_guard lock(mutex_);
    batches_.push_back(std::move(batch));
  }
  if (many) {
    changed_.notify_all();
  } else {
    changed_.notify_one();
  }
}

bool ArrivalQueue::TakeFrom(Claim* claim) {
  if (!claim->batch) return false;
  claim->index = claim->batch->next.fetch_add(1, std::memory_order_relaxed);
  return claim->index < claim->batch->deliveries.size();
}

DeliveryQueue::Taken ArrivalQueue::Take(Claim* claim, bool wait) {
  if (stopped_.load(std::memory_order_relaxed)) return Taken::kStopped;
  if (TakeFrom(claim)) return Taken::kOne;
  claim->batch.reset();
  std::unique_lock lock(mutex_);
  while (true) {
    if (stopped_) return Taken::kStopped;
    while (!batches_.empty()) {
      claim->batch = batches_.front();
      if (TakeFrom(claim)) return Taken::kOne;
      batches_.pop_front();
    }
    claim->batch.reset();
    if (!wait) return Taken::kNone;
    changed_.wait(lock);
  }
}

void ArrivalQueue::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
}

std::string KeyedQueue::KeyOf(const Claim& claim) {
  const Delivery& delivery = claim.delivery();
  if (delivery.order_key.empty()) return "";
  const auto session = reinterpret_cast<uintptr_t>(claim.batch->session.get());
  std::string key(reinterpret_cast<const char*>(&session), sizeof session);
  key.append(delivery.route).push_back('\0');
  return key.append(delivery.order_key);
}

void KeyedQueue::Push(std::shared_ptr<Batch> batch) {
  {
    std::lock_guard lock(mutex_);
    for (uint32_t i = 0; i < batch->deliveries.size(); ++i) {
      Waiting one{++arrived_, Claim{batch, i}};
      const std::string key = KeyOf(one.claim);
      if (key.empty() || keys_.try_emplace(key).second) {
        ready_.push(std::move(one));
      } else {
        keys_[key].push_back(std::move(one));
      }
    }
  }
  changed_.notify_all();
}

DeliveryQueue::Taken KeyedQueue::Take(Claim* claim, bool wait) {
  claim->batch.reset();
  std::unique_lock lock(mutex_);
  while (!stopped_ && ready_.empty()) {
    if (!wait) return Taken::kNone;
    changed_.wait(lock);
  }
  if (stopped_) return Taken::kStopped;
  *claim = ready_.top().claim;
  ready_.pop();
  return Taken::kOne;
}

std::vector<Claim> KeyedQueue::Finish(const Claim& claim, bool success) {
  std::vector<Claim> released;
  const std::string key = KeyOf(claim);
  if (key.empty()) return released;
  std::lock_guard lock(mutex_);
  const auto found = keys_.find(key);
  if (found == keys_.end()) return released;
  std::deque<Waiting>& waiting = found->second;
  if (!success) {
    for (Waiting& one : waiting) released.push_back(std::move(one.claim));
    waiting.clear();
  }
  if (waiting.empty()) {
    keys_.erase(found);
    return released;
  }
  ready_.push(std::move(waiting.front()));
  waiting.pop_front();
  changed_.notify_one();
  return released;
}

void KeyedQueue::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
}

}  // namespace outboard::internal
