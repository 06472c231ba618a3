#include "host/bus/memory/memory_bus.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/bus/attempts.h"
#include "host/bus/lane_groups.h"
#include "host/bus/memory/memory_consumer.h"

namespace outboard::bus {

MemoryBus::MemoryBus(MemoryBusOptions options) : options_(options) {
  OUTBOARD_CHECK(options_.clock != nullptr);
  thread_ = std::thread([this] { Run(); });
}

MemoryBus::~MemoryBus() {
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  work_.NotifyAll();
  thread_.join();
}

void MemoryBus::FailWrites(absl::Status status) {
  MutexLock lock(mu_);
  fail_ = std::move(status);
}

std::unique_ptr<Consumer> MemoryBus::NewConsumer() {
  return std::make_unique<MemoryConsumer>(this);
}

void MemoryBus::PublishWithReceipts(std::vector<Event> events, std::weak_ptr<ReceiptSink> sink,
                                    PublishDone done) {
  {
    MutexLock lock(mu_);
    calls_.push_back({std::move(events), std::move(sink), std::move(done)});
  }
  work_.NotifyOne();
}

void MemoryBus::Run() {
  for (;;) {
    PublishCall call;
    std::vector<PublishResult> results;
    {
      MutexLock lock(mu_);
      while (calls_.empty() && !stop_) work_.Wait(mu_);
      if (calls_.empty()) return;
      call = std::move(calls_.front());
      calls_.pop_front();
      results.resize(call.events.size());
      for (size_t i = 0; i < call.events.size(); ++i) {
        results[i].status = Accept(call.events[i], 0, &results[i]);
        if (results[i].status.ok() && !call.sink.expired())
          receipts_.Expect(results[i].offset, call.sink, i, results[i].reporting);
      }
    }
    if (call.done) call.done(std::move(results));
  }
}

bool MemoryBus::Takes(const Queue& queue, const LoggedEvent& logged) const {
  return queue.takes_new && (queue.reliable || !queue.open.empty()) &&
         logged.offset >= queue.begin && logged.accepted_at >= queue.not_before &&
         AnyMatches(queue.filters, logged.event.source(), logged.event.type());
}

// Emits may use `reserve` bytes beyond the limit, so that a full bus can still be drained.
absl::Status MemoryBus::Accept(const Event& event, uint64_t reserve, PublishResult* result) {
  if (!fail_.ok()) return fail_;
  if (held_bytes_ + event.size() > options_.max_bytes + reserve) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the bus holds ", held_bytes_, " of at most ", options_.max_bytes,
                     " bytes: let its lanes catch up or raise bus.max_bytes"));
  }
  last_accepted_ = std::max(last_accepted_, options_.clock->Now());
  LoggedEvent logged{next_offset_++, last_accepted_, event};
  result->offset = logged.offset;
  std::set<Queue*> seen;
  for (auto& [name, lane] : lanes_) {
    Queue& queue = *lane.queue;
    if (!seen.insert(&queue).second || !Takes(queue, logged)) continue;
    queue.waiting.emplace(logged.offset, Item{event, logged.offset, logged.accepted_at, 0, false});
    held_bytes_ += event.size();
    ++result->matched;
    result->reporting += queue.reliable ? 1 : 0;
    Wake(queue);
  }
  log_bytes_ += event.size();
  log_.push_back(std::move(logged));
  while (log_bytes_ > options_.keep_log_bytes) {
    log_bytes_ -= log_.front().event.size();
    log_.pop_front();
  }
  return absl::OkStatus();
}

void MemoryBus::Wake(const Queue& queue) {
  for (MemoryConsumer* consumer : queue.open) consumer->wakeup_.Signal();
}

absl::Status MemoryBus::Declare(const std::vector<LaneSpec>& specs) {
  if (absl::Status status = CheckLanes(specs); !status.ok()) return status;
  const std::vector<size_t> leaders = GroupLanes(specs);
  MutexLock lock(mu_);
  if (!fail_.ok()) return fail_;
  std::set<std::string> named;
  for (const LaneSpec& spec : specs) named.insert(spec.name);
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    Lane& lane = it->second;
    if (!named.contains(it->first) && !lane.orphan) Orphan(&lane);
    const bool gone =
        lane.orphan && !lane.spec.reliable && !lane.open && lane.queue->waiting.empty();
    it = gone ? lanes_.erase(it) : std::next(it);
  }
  for (size_t i = 0; i < specs.size(); ++i) {
    const LaneSpec& spec = specs[i];
    auto [it, is_new] = lanes_.try_emplace(spec.name);
    Lane& lane = it->second;
    std::shared_ptr<Queue> old = lane.queue;
    const bool shares = leaders[i] != i;
    if (shares) {
      lane.queue = lanes_[specs[leaders[i]].name].queue;
    } else if (is_new ||
               (spec.filters != lane.spec.filters && OthersUse(old.get(), &lane, false))) {
      lane.queue = std::make_shared<Queue>();
    }
    Queue& queue = *lane.queue;
    queue.filters = spec.filters;
    queue.reliable = spec.reliable;
    queue.takes_new = true;
    if (is_new && !shares) Begin(&queue, spec.from);
    if (shares && old && old != lane.queue && !OthersUse(old.get(), &lane, false)) {
      queue.waiting.merge(old->waiting);
      queue.retrying.merge(old->retrying);
    }
    lane.spec = spec;
    lane.orphan = false;
  }
  return absl::OkStatus();
}

void MemoryBus::Orphan(Lane* lane) {
  lane->orphan = true;
  if (!OthersUse(lane->queue.get(), lane, true)) lane->queue->takes_new = false;
}

bool MemoryBus::OthersUse(const Queue* queue, const Lane* lane, bool declared_only) const {
  for (const auto& [name, other] : lanes_) {
    if (&other == lane || other.queue.get() != queue) continue;
    if (!declared_only || !other.orphan) return true;
  }
  return false;
}

void MemoryBus::Begin(Queue* queue, const From& from) {
  const uint64_t first = log_.empty() ? next_offset_ : log_.front().offset;
  queue->begin = next_offset_;
  switch (from.kind) {
    case From::Kind::kNext: break;
    case From::Kind::kFirst: queue->begin = first; break;
    case From::Kind::kLast: queue->begin = log_.empty() ? next_offset_ : log_.back().offset; break;
    case From::Kind::kOffset: queue->begin = from.offset; break;
    case From::Kind::kTime:
      queue->begin = first;
      queue->not_before = from.time;
      break;
  }
  for (const LoggedEvent& logged : log_) {
    if (!Takes(*queue, logged)) continue;
    queue->waiting.emplace(logged.offset,
                           Item{logged.event, logged.offset, logged.accepted_at, 0, false});
    held_bytes_ += logged.event.size();
  }
}

MemoryBus::Item MemoryBus::Tried(Item item, const Settlement& settlement) {
  item.history = AddHistory(std::move(item.history), ToHistory(settlement.tried.get()));
  return item;
}

absl::Status MemoryBus::Settle(const std::string& lane, Queue* queue, const Item& item,
                               Settlement* settlement) {
  if (settlement->end != End::kReturned && !fail_.ok()) return fail_;
  switch (settlement->end) {
    case End::kDone: {
      uint64_t bytes = 0;
      for (const Event& emit : settlement->emits) bytes += emit.size();
      const uint64_t reserve = options_.max_bytes / 10;
      if (bytes > 0 && held_bytes_ + bytes > options_.max_bytes + reserve) {
        return absl::ResourceExhaustedError("no room for what the event emits");
      }
      for (const Event& emit : settlement->emits) {
        PublishResult ignored;
        if (absl::Status status = Accept(emit, UINT64_MAX / 2, &ignored); !status.ok())
          return status;
      }
      held_bytes_ -= item.event.size();
      break;
    }
    case End::kDropped: held_bytes_ -= item.event.size(); break;
    case End::kDead:
      AddDead(lane, Tried(item, *settlement), settlement->attempts,
              settlement->dead ? *settlement->dead : DeadReason{"UNKNOWN", "", ""});
      break;
    case End::kRetry: {
      Item again = Tried(item, *settlement);
      again.attempts = settlement->attempts;
      again.redelivered = true;
      queue->retrying.emplace(settlement->due, std::move(again));
      Wake(*queue);
      break;
    }
    case End::kReturned: {
      Item again = item;
      again.redelivered = true;
      queue->waiting.emplace(again.place, std::move(again));
      Wake(*queue);
      break;
    }
  }
  return absl::OkStatus();
}

Receipts::Listener MemoryBus::Record(const std::string& lane, uint64_t place,
                                     const Settlement& settlement, Receipt* receipt) {
  *receipt = Receipt::Of(settlement);
  receipt->lane = lane;
  if (settlement.placed && !log_.empty() && place >= log_.front().offset)
    log_[place - log_.front().offset].placed[lane] = *settlement.placed;
  return receipts_.Take(place);
}

void MemoryBus::AddDead(const std::string& lane, Item item, uint32_t attempts, DeadReason why) {
  DeadLetter letter;
  letter.id = next_dead_++;
  letter.lane = lane;
  letter.event = std::move(item.event);
  if (!item.original.empty()) {
    held_bytes_ += item.original.size() - letter.event.size();
    letter.edited = std::exchange(letter.event, std::move(item.original));
  }
  letter.why = std::move(why);
  letter.died_at = options_.clock->Now();
  letter.accepted_at = item.accepted_at;
  letter.attempts = attempts;
  letter.offset = item.place;
  letter.history = FromHistory(item.history);
  dead_.emplace(letter.id, std::move(letter));
}

}  // namespace outboard::bus
