#include "host/bus/embedded/embedded_consumer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/bus/lane_groups.h"

// Opening, closing and settling; embedded_reading.cc has the way of events to lanes.
namespace outboard::bus {

EmbeddedConsumer::EmbeddedConsumer(Writer* writer, Catalog* catalog, Tail* tail,
                                   MakeReader make_reader)
    : writer_(writer),
      catalog_(catalog),
      tail_(tail),
      inbox_(std::make_shared<Inbox>()),
      make_reader_(std::move(make_reader)) {
  tail_pos_ = tail_->next();
  writer_->AddInbox(inbox_);
}

EmbeddedConsumer::~EmbeddedConsumer() {
  while (!lanes_.empty()) Close(lanes_.begin()->first);
  SendBatch(true);
  writer_->RemoveInbox(inbox_.get());
}

absl::Status EmbeddedConsumer::Open(LaneId lane, const std::string& name) {
  OUTBOARD_CHECK(!lanes_.contains(lane));
  Queue* queue = nullptr;
  {
    MutexLock lock(catalog_->mu());
    const auto it = catalog_->lanes().find(name);
    if (it == catalog_->lanes().end() || !it->second.declared) {
      return absl::NotFoundError(absl::StrCat("lane '", name, "' is not declared"));
    }
    if (it->second.open) {
      return absl::FailedPreconditionError(absl::StrCat("lane '", name, "' is open already"));
    }
    it->second.open = true;
    queue = it->second.queue;
  }
  for (OpenQueue* open : open_) {
    if (open->queue != queue) continue;
    open->outlets.push_back({lane, name, 0});
    lanes_[lane] = open;
    return absl::OkStatus();
  }
  const uint32_t slot = static_cast<uint32_t>(slots_.size());
  slots_.push_back(std::make_unique<OpenQueue>(slot, queue));
  OpenQueue* open = slots_.back().get();
  open->outlets.push_back({lane, name, 0});
  open_.push_back(open);
  lanes_[lane] = open;
  writer_->Open(queue, inbox_, slot);
  return absl::OkStatus();
}

void EmbeddedConsumer::Close(LaneId lane) {
  const auto it = lanes_.find(lane);
  if (it == lanes_.end()) return;
  OpenQueue* queue = it->second;
  lanes_.erase(it);
  const auto outlet = std::find_if(queue->outlets.begin(), queue->outlets.end(),
                                   [&](const auto& item) { return item.lane == lane; });
  const std::string name = outlet->name;
  queue->outlets.erase(outlet);
  queue->CountCredit();
  if (queue->outlets.empty()) {
    SendBatch(true);
    writer_->Close(queue->queue, inbox_, queue->slot);
    matcher_.Remove(queue->slot);
    std::erase(open_, queue);
    slots_[queue->slot] = nullptr;
  } else {
    GiveBack(queue, lane);
  }
  MutexLock lock(catalog_->mu());
  const auto state = catalog_->lanes().find(name);
  if (state != catalog_->lanes().end()) state->second.open = false;
}

// What one of several lanes of a queue had goes to the others.
void EmbeddedConsumer::GiveBack(OpenQueue* queue, LaneId lane) {
  std::vector<uint64_t> numbers;
  queue->ForEach([&](uint64_t number, OpenQueue::Out& out) {
    if (out.lane == lane && out.state == State::kOut) numbers.push_back(number);
  });
  for (const uint64_t number : numbers) {
    Owed owed = std::move(queue->Find(number)->owed);
    queue->Remove(number);
    owed.redelivered = true;
    const uint64_t place = owed.place;
    queue->returned.emplace(place, std::move(owed));
  }
  WakeMyself();
}

void EmbeddedConsumer::SetCredit(LaneId lane, uint32_t more) {
  const auto it = lanes_.find(lane);
  if (it == lanes_.end()) return;
  OpenQueue* queue = it->second;
  for (OpenQueue::Outlet& outlet : queue->outlets) {
    if (outlet.lane == lane) outlet.credit = more;
  }
  queue->CountCredit();
  if (more == 0 || !queue->active) return;
  const uint64_t read_to = queue->at_tail ? tail_pos_ : queue->pos;
  if (!queue->returned.empty() || read_to < tail_->next()) {
    WakeMyself();
  } else {
    // The writer tells when there is more, unless that is now.
    inbox_->wants_more.store(true);
    if (read_to < tail_->next()) WakeMyself();
  }
}

void EmbeddedConsumer::WakeMyself() {
  if (awake_) return;
  awake_ = true;
  inbox_->Wake();
}

OpenQueue* EmbeddedConsumer::QueueOf(Tag tag) const {
  const uint32_t slot = SlotOf(tag);
  return tag != 0 && slot < slots_.size() ? slots_[slot].get() : nullptr;
}

void EmbeddedConsumer::Settle(Settlement settlement) {
  OpenQueue* queue = QueueOf(settlement.tag);
  OpenQueue::Out* out = queue == nullptr ? nullptr : queue->Find(NumberOf(settlement.tag));
  if (out == nullptr || out->state != State::kOut || out->lane != settlement.lane) {
    Settled settled{settlement.lane, settlement.cookie,
                    absl::NotFoundError("no such delivery: settled before, or its lane was closed"),
                    nullptr};
    settled.failed = std::make_unique<Settlement>(std::move(settlement));
    answered_.push_back(std::move(settled));
    WakeMyself();
    return;
  }
  if (settlement.end != End::kDead) ReleaseHold(queue, out);
  const bool in_memory = out->owed.kind == KeyKind::kMemory;
  if (settlement.end == End::kReturned ||
      (in_memory && settlement.end != End::kDead && settlement.emits.empty())) {
    const uint64_t number = NumberOf(settlement.tag);
    SettleHere(queue, number, out, std::move(settlement));
  } else {
    out->state = State::kSettling;
    AddEnding(queue, out, std::move(settlement), false);
  }
}

// What changes nothing on disk.
void EmbeddedConsumer::SettleHere(OpenQueue* queue, uint64_t number, OpenQueue::Out* out,
                                  Settlement settlement) {
  Owed owed = std::move(out->owed);
  queue->Remove(number);
  if (settlement.end == End::kReturned) {
    owed.redelivered = true;
    const uint64_t place = owed.place;
    queue->returned.emplace(place, std::move(owed));
  } else if (settlement.end == End::kRetry) {
    owed.redelivered = true;
    owed.attempts = settlement.attempts;
    queue->next_due = std::min(queue->next_due, settlement.due);
    queue->retrying.emplace(settlement.due, std::move(owed));
  } else {
    --queue->queue->in_memory;
  }
  answered_.push_back({settlement.lane, settlement.cookie, absl::OkStatus(), nullptr});
  WakeMyself();
}

void EmbeddedConsumer::AddEnding(OpenQueue* queue, OpenQueue::Out* out, Settlement settlement,
                                 bool silent) {
  SettleBatch& batch = this->batch();
  Ending ending;
  ending.queue = queue->queue;
  ending.key = out->owed.key;
  ending.tag = settlement.tag;
  ending.cookie = settlement.cookie;
  ending.lane = settlement.lane;
  ending.end = settlement.end;
  ending.kind = out->owed.kind;
  ending.silent = silent;
  // It keeps the key until it is in the file, however often the writer fails.
  if (ending.end == End::kDead && out->holds.empty()) {
    out->holds = KeyOf(*queue, out->owed).value_or("");
    if (!out->holds.empty()) queue->holds.Hold(out->holds, out->owed.place);
  }
  if (ending.end == End::kRetry && ending.kind == KeyKind::kLog) {
    queue->retries_under_way.insert(out->owed.place);
  }
  if (settlement.end == End::kRetry || settlement.end == End::kDead || !settlement.emits.empty() ||
      settlement.placed || !settlement.dropped_by.empty() || queue->outlets.size() > 1) {
    ending.extra = static_cast<uint32_t>(batch.extras.size());
    Extra extra;
    if (settlement.end != End::kRetry) {
      for (const OpenQueue::Outlet& outlet : queue->outlets) {
        if (outlet.lane == settlement.lane || extra.lane.empty()) extra.lane = outlet.name;
      }
    }
    extra.settlement = std::move(settlement);
    extra.key = out->holds;
    if (ending.kind == KeyKind::kMemory) {
      extra.event = out->owed.event;
      extra.accepted_at = out->owed.accepted_at;
    }
    batch.extras.push_back(std::move(extra));
  }
  batch.endings.push_back(ending);
}

SettleBatch& EmbeddedConsumer::batch() {
  if (batch_) return *batch_;
  if (spare_.empty()) {
    batch_ = std::make_unique<SettleBatch>();
  } else {
    batch_ = std::move(spare_.back());
    spare_.pop_back();
  }
  return *batch_;
}

SettleBatch::Taken& EmbeddedConsumer::TakenOf(OpenQueue* queue) {
  std::vector<SettleBatch::Taken>& taken = batch().taken;
  if (queue->taken_at < taken.size() && taken[queue->taken_at].slot == queue->slot) {
    return taken[queue->taken_at];
  }
  queue->taken_at = static_cast<uint32_t>(taken.size());
  taken.push_back({queue->queue, queue->slot, 0, {}});
  return taken.back();
}

// How far queues have read goes along with what they did.
void EmbeddedConsumer::SendBatch(bool whatever) {
  if (!batch_ || (batch_->endings.empty() && !whatever && !tell_)) return;
  tell_ = false;
  for (SettleBatch::Taken& taken : batch_->taken) {
    const OpenQueue* queue = slots_[taken.slot].get();
    if (queue != nullptr) taken.scanned_to = queue->at_tail ? tail_pos_ : queue->pos;
  }
  batch_->from = inbox_;
  writer_->Send(std::move(batch_));
}

void EmbeddedConsumer::TakeMade(SettleBatch& batch, Arrivals* out) {
  out->settled.reserve(out->settled.size() + batch.endings.size());
  for (Ending& ending : batch.endings) TakeMadeOne(batch, ending, out);
}

void EmbeddedConsumer::TakeMadeOne(SettleBatch& batch, Ending& ending, Arrivals* out) {
  Extra* extra = ending.extra == Ending::kNoExtra ? nullptr : &batch.extras[ending.extra];
  const absl::Status& status = batch.status.ok() && extra != nullptr ? extra->status : batch.status;
  OpenQueue* queue = QueueOf(ending.tag);
  if (queue != nullptr) {
    const uint64_t number = NumberOf(ending.tag);
    OpenQueue::Out* delivery = queue->Find(number);
    if (delivery != nullptr && ending.end == End::kRetry && ending.kind == KeyKind::kLog) {
      queue->retries_under_way.erase(delivery->owed.place);
    }
    const bool parks = ending.end == End::kRetry && extra != nullptr && !extra->key.empty();
    if (delivery != nullptr && ending.silent) {
      --queue->silent;
      queue->silent_bytes -= delivery->owed.event.size();
    }
    if (delivery != nullptr && parks) {
      ReleaseHold(queue, delivery);
      if (!status.ok() || !extra->parked) --queue->parked;
    }
    if (delivery != nullptr && status.ok()) {
      if (ending.end == End::kRetry) {
        queue->next_due = std::min(queue->next_due, extra->settlement.due);
      }
      if (ending.kind == KeyKind::kRow) queue->rows_out.erase(static_cast<int64_t>(ending.key));
      if (ending.kind == KeyKind::kMemory) --queue->queue->in_memory;
      queue->Remove(number);
    } else if (delivery != nullptr) {
      delivery->state = State::kOut;
      if (ending.silent) {  // Nobody else will settle it.
        ReleaseHold(queue, delivery);
        Rest(queue);
        Owed owed = std::move(delivery->owed);
        queue->Remove(number);
        const uint64_t place = owed.place;
        queue->returned.emplace(place, std::move(owed));
      }
    }
  }
  if (ending.silent) return;
  Settled settled{ending.lane, ending.cookie, status, nullptr};
  if (!status.ok()) {
    settled.failed = std::make_unique<Settlement>();
    if (extra != nullptr) {
      *settled.failed = std::move(extra->settlement);
    } else {
      settled.failed->lane = ending.lane;
      settled.failed->tag = ending.tag;
      settled.failed->cookie = ending.cookie;
      settled.failed->end = ending.end;
    }
  }
  out->settled.push_back(std::move(settled));
}

// ---- What waits behind dead letters
// ---------------------------------------------------------------------

std::optional<std::string> EmbeddedConsumer::KeyOf(const OpenQueue& queue, const Owed& owed) {
  const Parking& parking = *queue.parking;
  if (parking.by.empty() || owed.kind == KeyKind::kMemory || owed.event.empty())
    return std::nullopt;
  std::optional<std::string> value = owed.event.attribute(parking.by);
  if (!value) return std::nullopt;
  return absl::StrCat(parking.by, "=", *value);
}

bool EmbeddedConsumer::Waits(const OpenQueue& queue, const Owed& owed, std::string* key) {
  if (queue.holds.empty()) return false;
  const std::optional<std::string> its = KeyOf(queue, owed);
  if (!its || !queue.holds.Waits(*its, owed.place)) return false;
  *key = *its;
  return true;
}

void EmbeddedConsumer::HandOutOrPark(OpenQueue* queue, Owed owed, Arrivals* out) {
  std::string key;
  if (!Waits(*queue, owed, &key)) return HandOut(queue, std::move(owed), out);
  Settlement settlement;
  settlement.attempts = owed.attempts;
  if (queue->parking->bury && queue->parked >= queue->parking->limit) {
    settlement.end = End::kDead;
    settlement.dead = std::make_unique<DeadReason>(DeadReason{
        "PARK_FULL",
        absl::StrCat("it stands behind a dead letter of its key, and ", queue->parking->limit,
                     " events wait behind dead letters already (park_limit)"),
        ""});
    return SettleSilently(queue, std::move(owed), std::move(settlement), "");
  }
  settlement.end = End::kRetry;
  queue->holds.Hold(key, owed.place);
  ++queue->parked;
  SettleSilently(queue, std::move(owed), std::move(settlement), key);
}

void EmbeddedConsumer::SettleSilently(OpenQueue* queue, Owed owed, Settlement settlement,
                                      const std::string& holds) {
  settlement.lane = queue->outlets.front().lane;
  ++queue->silent;
  queue->silent_bytes += owed.event.size();
  const uint64_t number = queue->Add(std::move(owed), settlement.lane);
  settlement.tag = TagOf(queue->slot, number);
  OpenQueue::Out* out = queue->Find(number);
  out->state = State::kSettling;
  out->holds = holds;
  AddEnding(queue, out, std::move(settlement), true);
  WakeMyself();
}

bool EmbeddedConsumer::StopsAt(OpenQueue* queue, uint64_t offset, const Event& event) {
  if (queue->parking->bury || queue->parked < queue->parking->limit || queue->holds.empty())
    return false;
  Owed owed;
  owed.event = event;
  owed.place = offset;
  owed.kind = queue->queue->reliable ? KeyKind::kLog : KeyKind::kMemory;
  std::string key;
  if (!Waits(*queue, owed, &key)) return false;
  SetFull(queue, true);
  return true;
}

void EmbeddedConsumer::Rest(OpenQueue* queue) {
  if (queue->at_tail) LeaveTail(queue);
  queue->rests_until = now_ + kReadAgain;
}

void EmbeddedConsumer::SetFull(OpenQueue* queue, bool full) {
  queue->full = full;
  queue->queue->park_full = full;
}

void EmbeddedConsumer::ReleaseHold(OpenQueue* queue, OpenQueue::Out* out) {
  if (out->holds.empty()) return;
  queue->holds.Free(out->holds, out->owed.place);
  out->holds.clear();
}

void EmbeddedConsumer::TakeReplayed(QueueReplayed& replayed) {
  for (OpenQueue* queue : open_) {
    if (queue->queue != replayed.queue) continue;
    queue->next_due = Time::min();
    for (const auto& [key, place] : replayed.freed) queue->holds.Free(key, place);
    queue->parked = static_cast<uint64_t>(static_cast<int64_t>(queue->parked) + replayed.parked);
  }
}

}  // namespace outboard::bus
