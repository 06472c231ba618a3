#include "src/queue.h"

#include <cstring>

namespace outboard::internal {

std::string OrderOf(const Claim& claim) {
  const Delivery& delivery = claim.delivery();
  if (delivery.order_key.empty()) return "";
  const auto session = reinterpret_cast<uintptr_t>(claim.batch->session.get());
  std::string key(reinterpret_cast<const char*>(&session), sizeof session);
  key.append(delivery.route).push_back('\0');
  return key.append(delivery.order_key);
}

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

DeliveryQueue::Taken ArrivalQueue::TakeMany(size_t most, std::vector<Claim>* claims) {
  Claim claim;
  Taken taken = Take(&claim, /*wait=*/true);
  while (taken == Taken::kOne) {
    claims->push_back(claim);
    if (claims->size() == most) break;
    taken = Take(&claim, /*wait=*/false);
  }
  return claims->empty() ? Taken::kStopped : Taken::kOne;
}

void KeyedQueue::Push(std::shared_ptr<Batch> batch) {
  {
    std::lock_guard lock(mutex_);
    for (uint32_t i = 0; i < batch->deliveries.size(); ++i) {
      Waiting one{++arrived_, Claim{batch, i}};
      const std::string key = OrderOf(one.claim);
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

DeliveryQueue::Taken KeyedQueue::TakeMany(size_t most, std::vector<Claim>* claims) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopped_ || !ready_.empty(); });
  if (stopped_) return Taken::kStopped;
  Ready next_of_taken;  // Of each key in `claims`, so that all come in the order of arrival.
  while (claims->size() < most && !(ready_.empty() && next_of_taken.empty())) {
    const bool same_key =
        !next_of_taken.empty() && (ready_.empty() || ready_.top() > next_of_taken.top());
    Ready& from = same_key ? next_of_taken : ready_;
    claims->push_back(from.top().claim);
    from.pop();
    const auto key = keys_.find(OrderOf(claims->back()));
    if (key == keys_.end() || key->second.empty()) continue;
    next_of_taken.push(std::move(key->second.front()));
    key->second.pop_front();
  }
  for (; !next_of_taken.empty(); next_of_taken.pop()) {
    keys_[OrderOf(next_of_taken.top().claim)].push_front(next_of_taken.top());
  }
  return Taken::kOne;
}

void KeyedQueue::Free(const std::string& key, bool success, std::vector<Claim>* released) {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return;
  std::deque<Waiting>& waiting = found->second;
  if (!success) {
    for (Waiting& one : waiting) released->push_back(std::move(one.claim));
    waiting.clear();
  }
  if (waiting.empty()) {
    keys_.erase(found);
    return;
  }
  ready_.push(std::move(waiting.front()));
  waiting.pop_front();
  changed_.notify_one();
}

std::vector<Claim> KeyedQueue::Finish(const Claim& claim, bool success) {
  std::vector<Claim> released;
  const std::string key = OrderOf(claim);
  if (key.empty()) return released;
  std::lock_guard lock(mutex_);
  Free(key, success, &released);
  return released;
}

std::vector<Claim> KeyedQueue::FinishMany(const std::vector<Claim>& claims,
                                          const std::unordered_set<std::string>& failed) {
  std::unordered_set<std::string> keys;
  for (const Claim& claim : claims) keys.insert(OrderOf(claim));
  keys.erase("");
  std::vector<Claim> released;
  std::lock_guard lock(mutex_);
  for (const std::string& key : keys) Free(key, failed.count(key) == 0, &released);
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
