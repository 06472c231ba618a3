#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "src/frame.h"

namespace outboard::internal {

class SessionCore;

// The deliveries of one frame, with all that they point into. Shared by the queue and the threads
// that work on them: the last one frees the frame.
struct Batch {
  std::shared_ptr<SessionCore> session;
  std::shared_ptr<const void> bytes;
  std::vector<Delivery> deliveries;
  std::atomic<uint32_t> next{0};  // ArrivalQueue's: the first one that nobody took.
};

// One delivery in a thread's hand.
struct Claim {
  std::shared_ptr<Batch> batch;
  uint32_t index = 0;

  const Delivery& delivery() const { return batch->deliveries[index]; }
};

// What an in_order component has one of at a time: session, route and key. Empty where the delivery
// has no key.
std::string OrderOf(const Claim& claim);

// Hands deliveries to a component's threads. Any thread.
class DeliveryQueue {
 public:
  enum class Taken { kOne, kNone, kStopped };

  virtual ~DeliveryQueue() = default;
  virtual void Push(std::shared_ptr<Batch> batch) = 0;
  // Puts the next delivery into the claim, which is the thread's own and may help to find the next
  // one fast. Without `wait`, kNone where nothing is ready.
  virtual Taken Take(Claim* claim, bool wait) = 0;
  // Waits for the next delivery, and puts it and what else is there into `claims`, at most `most`.
  virtual Taken TakeMany(size_t most, std::vector<Claim>* claims) = 0;
  // The delivery was answered. Returns those that are to be released because it did not succeed.
  virtual std::vector<Claim> Finish(const Claim& claim, bool success) = 0;
  // The same for all of a TakeMany(); `failed` are the keys of those that did not succeed.
  virtual std::vector<Claim> FinishMany(const std::vector<Claim>& claims,
                                        const std::unordered_set<std::string>& failed) = 0;
  // Every Take() from now on returns kStopped.
  virtual void Stop() = 0;
};

// In the order of arrival. One lock a frame, one atomic step a delivery.
class ArrivalQueue : public DeliveryQueue {
 public:
  void Push(std::shared_ptr<Batch> batch) override;
  Taken Take(Claim* claim, bool wait) override;
  Taken TakeMany(size_t most, std::vector<Claim>* claims) override;
  std::vector<Claim> Finish(const Claim&, bool) override { return {}; }
  std::vector<Claim> FinishMany(const std::vector<Claim>&,
                                const std::unordered_set<std::string>&) override {
    return {};
  }
  void Stop() override;

 private:
  bool TakeFrom(Claim* claim);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Batch>> batches_;
  std::atomic<bool> stopped_{false};
};

// One of each (session, route, key) at a time, in the order of arrival; whatever has no key is
// free. What waits behind a delivery that did not succeed is released. TakeMany() takes a key's run
// of deliveries at once.
class KeyedQueue : public DeliveryQueue {
 public:
  void Push(std::shared_ptr<Batch> batch) override;
  Taken Take(Claim* claim, bool wait) override;
  Taken TakeMany(size_t most, std::vector<Claim>* claims) override;
  std::vector<Claim> Finish(const Claim& claim, bool success) override;
  std::vector<Claim> FinishMany(const std::vector<Claim>& claims,
                                const std::unordered_set<std::string>& failed) override;
  void Stop() override;

 private:
  struct Waiting {
    uint64_t number;  // Of arrival.
    Claim claim;
    bool operator>(const Waiting& other) const { return number > other.number; }
  };
  using Ready = std::priority_queue<Waiting, std::vector<Waiting>, std::greater<Waiting>>;

  // Under the lock: makes the next of the key ready, or gives what waits behind a failure.
  void Free(const std::string& key, bool success, std::vector<Claim>* released);

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t arrived_ = 0;
  Ready ready_;
  // A key is here while one of its deliveries is ready or in hand; the others of it wait.
  std::unordered_map<std::string, std::deque<Waiting>> keys_;
  bool stopped_ = false;
};

}  // namespace outboard::internal
