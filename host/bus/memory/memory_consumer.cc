#include "host/bus/memory/memory_consumer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace outboard::bus {

MemoryConsumer::~MemoryConsumer() {
  MutexLock lock(bus_->mu_);
  while (!lanes_.empty()) CloseLocked(lanes_.begin()->first);
}

bool MemoryConsumer::Has(const MemoryBus::Queue& queue, uint64_t place) {
  for (const MemoryConsumer* consumer : queue.open) {
    for (const auto& [tag, out] : consumer->in_flight_) {
      const auto lane = consumer->lanes_.find(out.lane);
      const bool its = lane != consumer->lanes_.end() && lane->second.queue.get() == &queue;
      if (its && out.item.place == place) return true;
    }
  }
  return false;
}

absl::Status MemoryConsumer::Open(LaneId lane, const std::string& name) {
  MutexLock lock(bus_->mu_);
  OUTBOARD_CHECK(!lanes_.contains(lane));
  const auto it = bus_->lanes_.find(name);
  if (it == bus_->lanes_.end()) {
    return absl::NotFoundError(absl::StrCat("lane '", name, "' is not declared"));
  }
  if (it->second.open) {
    return absl::FailedPreconditionError(absl::StrCat("lane '", name, "' is open already"));
  }
  it->second.open = true;
  it->second.queue->open.insert(this);
  lanes_[lane] = {name, it->second.queue, 0};
  return absl::OkStatus();
}

void MemoryConsumer::Close(LaneId lane) {
  MutexLock lock(bus_->mu_);
  if (lanes_.contains(lane)) CloseLocked(lane);
}

void MemoryConsumer::CloseLocked(LaneId lane) {
  OpenLane open = std::move(lanes_[lane]);
  lanes_.erase(lane);
  MemoryBus::Queue& queue = *open.queue;
  for (auto it = in_flight_.begin(); it != in_flight_.end();) {
    if (it->second.lane != lane) {
      ++it;
      continue;
    }
    MemoryBus::Item& item = it->second.item;
    item.redelivered = true;
    queue.in_flight.erase(queue.in_flight.find(item.accepted_at));
    queue.waiting.emplace(item.place, std::move(item));
    it = in_flight_.erase(it);
  }
  const bool more = std::any_of(lanes_.begin(), lanes_.end(), [&](const auto& other) {
    return other.second.queue == open.queue;
  });
  if (!more) queue.open.erase(this);
  if (const auto it = bus_->lanes_.find(open.name); it != bus_->lanes_.end())
    it->second.open = false;
  if (!queue.reliable && queue.open.empty()) {
    for (const auto& [place, item] : queue.waiting) bus_->held_bytes_ -= item.event.size();
    for (const auto& [due, item] : queue.retrying) bus_->held_bytes_ -= item.event.size();
    queue.waiting.clear();
    queue.retrying.clear();
  }
  bus_->Wake(queue);
}

void MemoryConsumer::SetCredit(LaneId lane, uint32_t more) {
  MutexLock lock(bus_->mu_);
  const auto it = lanes_.find(lane);
  if (it == lanes_.end()) return;
  it->second.credit = more;
  if (more > 0 && !it->second.queue->waiting.empty()) wakeup_.Signal();
}

void MemoryConsumer::Settle(Settlement settlement) {
  Receipt receipt;
  const Receipts::Listener listener = SettleLocked(std::move(settlement), &receipt);
  if (listener.sink) listener.sink->OnReceipt(listener.event, std::move(receipt));
}

Receipts::Listener MemoryConsumer::SettleLocked(Settlement settlement, Receipt* receipt) {
  MutexLock lock(bus_->mu_);
  Receipts::Listener listener;
  Settled report{settlement.lane, settlement.cookie, absl::OkStatus(), nullptr};
  const auto it = in_flight_.find(settlement.tag);
  const auto lane = lanes_.find(settlement.lane);
  if (it == in_flight_.end() || lane == lanes_.end()) {
    report.status = absl::NotFoundError("no such delivery: settled before, or its lane was closed");
  } else {
    MemoryBus::Queue* queue = lane->second.queue.get();
    report.status = bus_->Settle(lane->second.name, queue, it->second.item, &settlement);
    if (report.status.ok()) {
      const bool ends = settlement.end != End::kRetry && settlement.end != End::kReturned;
      if (ends && queue->reliable) {
        listener = bus_->Record(lane->second.name, it->second.item.place, settlement, receipt);
      }
      queue->in_flight.erase(queue->in_flight.find(it->second.item.accepted_at));
      in_flight_.erase(it);
    }
  }
  if (!report.status.ok()) report.failed = std::make_unique<Settlement>(std::move(settlement));
  settled_.push_back(std::move(report));
  wakeup_.Signal();
  return listener;
}

void MemoryConsumer::Poll(Time now, Arrivals* out) {
  wakeup_.Clear();
  MutexLock lock(bus_->mu_);
  for (Settled& settled : settled_) out->settled.push_back(std::move(settled));
  settled_.clear();
  for (auto& [id, lane] : lanes_) {
    MemoryBus::Queue& queue = *lane.queue;
    while (!queue.retrying.empty() && queue.retrying.begin()->first <= now) {
      MemoryBus::Item item = std::move(queue.retrying.begin()->second);
      queue.retrying.erase(queue.retrying.begin());
      queue.waiting.emplace(item.place, std::move(item));
    }
  }
  // Lanes that share a queue take turns.
  for (bool any = true; any;) {
    any = false;
    for (auto& [id, lane] : lanes_) {
      if (lane.credit == 0 || lane.queue->waiting.empty()) continue;
      HandOut(id, &lane, out);
      any = true;
    }
  }
}

void MemoryConsumer::HandOut(LaneId id, OpenLane* lane, Arrivals* out) {
  MemoryBus::Queue& queue = *lane->queue;
  MemoryBus::Item item = std::move(queue.waiting.begin()->second);
  queue.waiting.erase(queue.waiting.begin());
  queue.in_flight.insert(item.accepted_at);
  --lane->credit;
  const Tag tag = next_tag_++;
  out->deliveries.push_back(
      {id, tag, item.event, item.attempts, item.redelivered, item.accepted_at});
  in_flight_[tag] = {id, std::move(item)};
}

Time MemoryConsumer::NextDue() const {
  MutexLock lock(bus_->mu_);
  Time due = kNever;
  for (const auto& [id, lane] : lanes_) {
    if (lane.credit == 0 || lane.queue->retrying.empty()) continue;
    due = std::min(due, lane.queue->retrying.begin()->first);
  }
  return due;
}

}  // namespace outboard::bus
