#include "host/lane/lane.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace outboard::lane {
namespace {

bool ArrivedBefore(const Item* a, const Item* b) { return a->sequence < b->sequence; }

// On its way to a session, there, or just back.
bool UnderWay(const Item& item) {
  return item.state == ItemState::kReady || item.state == ItemState::kInFlight ||
         item.state == ItemState::kForwarded || item.state == ItemState::kFree;
}

void InsertByArrival(std::deque<Item*>& queue, Item* item) {
  queue.insert(std::upper_bound(queue.begin(), queue.end(), item, ArrivedBefore), item);
}

}  // namespace

Lane::Lane(LaneOptions options, const DispatcherOptions& all)
    : outcomes(all.probe_after, all.probe_events), options_(std::move(options)), all_(all) {}

// ---- Items: arrival and end
// ------------------------------------------------------------------------

Key* Lane::KeyOf(const Event& event) {
  if (!ordered()) return nullptr;
  std::optional<std::string> value = event.attribute(options_.order_by);
  if (!value) return nullptr;
  std::unique_ptr<Key>& key = keys_[*value];
  if (!key) {
    key = std::make_unique<Key>();
    key->value = *std::move(value);
  }
  return key.get();
}

void Lane::Admit(Item* item) {
  ++stats.received;
  ++total_;
  bytes_ += item->bytes;
  typical_bytes_ = (typical_bytes_ * 15 + item->bytes) / 16;
  if (credit > 0) --credit;
  item->key = KeyOf(item->event);
  if (item->key == nullptr) return PushReady(item);
  InsertByArrival(item->key->parked, item);
  item->state = ItemState::kParked;
  ++stats.parked;
  Unblock(item->key);
}

void Lane::Unblock(Key* key) {
  if (key->owed > 0) return;
  Item* oldest = key->parked.empty() ? nullptr : key->parked.front();
  for (Item* item : key->active) {
    if (UnderWay(*item)) return;
    if (oldest == nullptr || item->sequence < oldest->sequence) oldest = item;
  }
  if (oldest == nullptr) return;
  if (oldest->state == ItemState::kParked) {
    key->parked.pop_front();
    --stats.parked;
    key->active.push_back(oldest);
    PushReady(oldest);
  } else if (oldest->overdue) {
    oldest->overdue = false;
    --waiting;
    --stats.held;
    PushReady(oldest);
  }
}

void Lane::DropIfUnused(Key* key) {
  if (key->active.empty() && key->parked.empty() && key->owed == 0)
    keys_.erase(keys_.find(key->value));
}

void Lane::FreeKey(Item* item, bool given_back) {
  Key* key = item->key;
  if (key == nullptr) return;
  item->key = nullptr;
  std::erase(key->active, item);
  GoBackFrom(key, given_back ? item->sequence : kNoSequence);
  Unblock(key);
  DropIfUnused(key);
}

void Lane::GoBackFrom(Key* key, uint64_t sequence) {
  key->back_from = std::min(key->back_from, sequence);
  const bool any = std::any_of(key->active.begin(), key->active.end(),
                               [](const Item* item) { return FollowsBack(*item); });
  if (!any) key->back_from = kNoSequence;
}

void Lane::FreeOwed(Key* key) {
  --key->owed;
  Unblock(key);
  DropIfUnused(key);
}

void Lane::Forget(const Item& item) {
  --total_;
  bytes_ -= item.bytes;
}

// ---- The queue
// -------------------------------------------------------------------------------------

void Lane::PopFront() {
  ready_.front()->state = ItemState::kFree;
  ready_bytes_ -= ready_.front()->bytes;
  ready_.pop_front();
  --stats.ready;
}

Item* Lane::TakePassing() {
  if (passing_.empty()) return nullptr;
  Item* item = passing_.front();
  passing_.pop_front();
  return item;
}

void Lane::PushReady(Item* item) {
  if (item->passes) {
    item->state = ItemState::kFree;
    return passing_.push_back(item);
  }
  item->state = ItemState::kReady;
  ready_.push_back(item);
  ready_bytes_ += item->bytes;
  ++stats.ready;
}

void Lane::PushReadyInPlace(Item* item) {
  item->state = ItemState::kReady;
  InsertByArrival(ready_, item);
  ready_bytes_ += item->bytes;
  ++stats.ready;
}

void Lane::EraseReady(Item* item) {
  item->state = ItemState::kFree;
  ready_.erase(std::find(ready_.begin(), ready_.end(), item));
  ready_bytes_ -= item->bytes;
  --stats.ready;
}

Item* Lane::TakeParked(Key* key) {
  if (key->parked.empty()) return nullptr;
  Item* item = key->parked.front();
  key->parked.pop_front();
  --stats.parked;
  key->active.push_back(item);
  item->state = ItemState::kFree;
  return item;
}

void Lane::ParkAgain(Item* item) {
  Key* key = item->key;
  std::erase(key->active, item);
  InsertByArrival(key->parked, item);
  item->state = ItemState::kParked;
  ++stats.parked;
  Unblock(key);
}

bool Lane::StandsBeforeSuspect(const Item& item) {
  if (item.key == nullptr) return false;
  return std::any_of(item.key->active.begin(), item.key->active.end(), [&item](const Item* other) {
    return other->suspected && other->sequence > item.sequence;
  });
}

std::vector<Item*> Lane::TakeFollowers(Key* key, bool all) {
  std::vector<Item*> taken;
  std::deque<Item*> stay;
  for (Item* item : key->parked) {
    (!all && StandsBeforeSuspect(*item) ? stay.push_back(item) : taken.push_back(item));
  }
  key->parked = std::move(stay);
  stats.parked -= taken.size();
  if (!taken.empty()) GoBackFrom(key, taken.front()->sequence);
  for (Item* item : taken) {
    item->key = nullptr;
    item->state = ItemState::kFree;
  }
  return taken;
}

std::vector<Item*> Lane::TakeBehind(Key* key, uint64_t sequence) {
  std::vector<Item*> taken = TakeFollowers(key, true);
  for (Item* item : key->active) {
    const bool under_way = item->state == ItemState::kInFlight ||
                           item->state == ItemState::kForwarded ||
                           item->state == ItemState::kSettling;
    // One that is free is in other hands, which see that it follows.
    if (item->sequence > sequence && !under_way && item->state != ItemState::kFree)
      taken.push_back(item);
  }
  GoBackFrom(key, sequence);
  return taken;
}

Key* Lane::FindKey(const Event& event) {
  const std::optional<std::string> value =
      ordered() ? event.attribute(options_.order_by) : std::nullopt;
  const auto found = value ? keys_.find(*value) : keys_.end();
  return found == keys_.end() ? nullptr : found->second.get();
}

std::vector<Item*> Lane::TakeQueued(bool keep_one_ready, bool all) {
  std::vector<Item*> taken;
  // Parked ones first: freeing the key of a ready one must not make them ready.
  for (auto& [value, key] : keys_) {
    const std::vector<Item*> followers = TakeFollowers(key.get(), all);
    taken.insert(taken.end(), followers.begin(), followers.end());
  }
  std::deque<Item*> stay;
  for (Item* item : ready_) {
    const bool keep = (keep_one_ready && stay.empty()) || (!all && StandsBeforeSuspect(*item));
    (keep ? stay.push_back(item) : taken.push_back(item));
  }
  ready_ = std::move(stay);
  stats.ready = ready_.size();
  ready_bytes_ = 0;
  for (const Item* item : ready_) ready_bytes_ += item->bytes;
  for (Item* item : taken) item->state = ItemState::kFree;
  std::sort(taken.begin(), taken.end(), ArrivedBefore);
  return taken;
}

bool Lane::IsOldestOfKey(const Item& item) {
  if (item.key == nullptr) return true;
  if (!item.key->parked.empty() && item.key->parked.front()->sequence < item.sequence) return false;
  for (const Item* other : item.key->active) {
    if (other->sequence < item.sequence) return false;
  }
  return true;
}

bool Lane::MayGo(const Item& item) {
  if (item.key == nullptr) return true;
  if (item.key->owed > 0 || !IsOldestOfKey(item)) return false;
  for (const Item* other : item.key->active) {
    if (other != &item && UnderWay(*other)) return false;
  }
  return true;
}

const Item* Lane::HolderOf(const Item& item) {
  if (item.key == nullptr) return nullptr;
  const Item* oldest = nullptr;
  const auto consider = [&](const Item* other) {
    const bool older = other->sequence < (oldest == nullptr ? item : *oldest).sequence;
    if (other != &item && older) oldest = other;
  };
  for (const Item* other : item.key->active) {
    if (other != &item && UnderWay(*other)) return other;
    consider(other);
  }
  for (const Item* other : item.key->parked) consider(other);
  return oldest;
}

// ---- Bounds
// ----------------------------------------------------------------------------------------

uint32_t Lane::Wanted(uint64_t window) const {
  const uint32_t own = OwnRoom(window);
  if (!options_.next || options_.observes) return own;
  const uint64_t further = short_of_next();
  return std::min(own, next_credit > further ? next_credit - static_cast<uint32_t>(further) : 0);
}

uint32_t Lane::OwnRoom(uint64_t window) const {
  if (window == 0 || bytes_ >= all_.lane_bytes) return 0;
  const auto less = [](uint64_t a, uint64_t b) { return a > b ? a - b : 0; };
  // Held and parked ones wait for something else than room; lane_held bounds them.
  uint64_t more = less(2 * window + all_.frame_deliveries,
                       unsettled() - stats.forwarded - stats.held - stats.parked);
  more = std::min(more, less(all_.lane_deliveries, total_));
  more = std::min<uint64_t>(more,
                            (all_.lane_bytes - bytes_) / std::max<size_t>(typical_bytes_, 1) + 1);
  if (ordered()) more = std::min(more, less(all_.lane_held, stats.parked + stats.held));
  return static_cast<uint32_t>(more);
}

}  // namespace outboard::lane
