#include "host/lane/session_ledger.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <utility>

#include "host/base/status.h"
#include "host/lane/lane.h"

namespace outboard::lane {
namespace {

constexpr Duration kSlotLength = std::chrono::milliseconds(10);

template <typename T>
T LeastLimit(T a, T b) {  // 0 is no limit.
  if (a == 0) return b;
  if (b == 0) return a;
  return std::min(a, b);
}

int64_t SlotOf(Time now) { return now.time_since_epoch() / kSlotLength; }

}  // namespace

SessionLedger::SessionLedger(SessionUp up, const DispatcherOptions& options)
    : up_(std::move(up)),
      time_limit_(options.time_limit),
      progress_cap_(options.progress_cap),
      max_deliveries_(LeastLimit(up_.max_in_flight, options.session_deliveries)),
      max_bytes_(LeastLimit(up_.max_in_flight_bytes, options.session_bytes)),
      plugin_window_(max_deliveries_) {}

// ---- Room
// ------------------------------------------------------------------------------------------

void SessionLedger::CountAnswer(Time now) {
  AnsweredLately(now);  // Clears slots that are over.
  ++answered_[static_cast<size_t>(slot_ % kSlots)];
}

uint32_t SessionLedger::AnsweredLately(Time now) {
  const int64_t slot = SlotOf(now);
  if (slot - slot_ >= kSlots) {
    answered_.fill(0);
  } else {
    for (int64_t s = slot_ + 1; s <= slot; ++s) answered_[static_cast<size_t>(s % kSlots)] = 0;
  }
  slot_ = slot;
  uint32_t sum = 0;
  for (const uint32_t n : answered_) sum += n;
  return sum;
}

uint32_t SessionLedger::window(Time now) {
  const uint32_t least = up_.concurrency == 0 ? 16 : 2 * up_.concurrency;
  const uint32_t adaptive = std::max(2 * AnsweredLately(now), least);
  return std::min({adaptive, max_deliveries_, plugin_window_});
}

uint32_t SessionLedger::Room(Time now) {
  const uint32_t w = window(now);
  return w > unanswered_ ? w - unanswered_ : 0;
}

// ---- Deliveries
// ------------------------------------------------------------------------------------

void SessionLedger::BeginFrame() {
  frames_.push_back(0);
  ++open_frames_;
}

void SessionLedger::Add(Item* item) {
  Entry entry;
  entry.item = item;
  entry.key = item->key;
  entry.lane = item->lane;
  entry.bytes = static_cast<uint32_t>(item->bytes);
  entry.limit =
      item->lane == nullptr ? time_limit_ : item->lane->options().time_limit.value_or(time_limit_);
  entry.frame = first_frame_ + static_cast<uint32_t>(frames_.size()) - 1;
  entries_.push_back(entry);
  ++frames_.back();
  ++unanswered_;
  bytes_ += item->bytes;
}

SessionLedger::Entry* SessionLedger::Find(uint64_t id) {
  if (id >= next_id()) return nullptr;
  if (id >= first_id_) return &entries_[id - first_id_];
  const auto stray = strays_.find(id);
  return stray == strays_.end() ? nullptr : &stray->second;
}

void SessionLedger::CloseInFrame(uint32_t frame) {
  uint32_t& open = frames_[frame - first_frame_];
  if (--open == 0) --open_frames_;
  while (!frames_.empty() && frames_.front() == 0) {
    frames_.pop_front();
    ++first_frame_;
  }
}

void SessionLedger::Forget(Time now) {
  const size_t most = 1024 + 2 * size_t{unanswered_};
  while (!entries_.empty()) {
    Entry& front = entries_.front();
    if (front.state != EntryState::kAnswered) {
      if (entries_.size() <= most) break;
      if (!front.running && front.state == EntryState::kOpen) StartTurn(front, first_id_, now);
      if (!front.running) StartCancelled(front, first_id_, now);
      strays_.emplace(first_id_, front);
    }
    entries_.pop_front();
    ++first_id_;
  }
}

// Most deliveries are answered long before their deadline: what is over at the front, or too much
// in all, goes.
void SessionLedger::TrimDeadlines() {
  const auto over = [this](const Due& due) {
    const Entry* entry = Find(due.second);
    return entry == nullptr || entry->state != EntryState::kOpen || entry->deadline != due.first;
  };
  for (auto& [limit, due] : deadlines_) {
    while (!due.empty() && over(due.front())) due.pop_front();
    if (due.size() > 4096 + 4 * size_t{unanswered_}) std::erase_if(due, over);
  }
}

SessionLedger::Taken SessionLedger::Answer(uint64_t id, Time now) {
  Taken taken;
  if (id == 0 || id >= next_id()) return taken;
  Entry* entry = Find(id);
  if (entry == nullptr || entry->state == EntryState::kAnswered) {
    taken.found = Found::kLate;
    return taken;
  }
  taken.found = entry->state == EntryState::kOpen ? Found::kOpen : Found::kExpired;
  taken.item = entry->item;
  taken.key = entry->key;
  taken.lane = entry->lane;
  if (entry->state == EntryState::kOpen) CloseInFrame(entry->frame);
  entry->state = EntryState::kAnswered;
  entry->item = nullptr;
  if (entry->running) --turns_;
  --unanswered_;
  bytes_ -= entry->bytes;
  last_sign_ = now;
  doubt_until = Time{};  // The process lives.
  CountAnswer(now);
  if (id < first_id_) {
    strays_.erase(id);
  } else {
    Forget(now);
  }
  return taken;
}

bool SessionLedger::Progress(uint64_t id, Time now) {
  if (id == 0 || id >= next_id()) return false;
  Entry* entry = Find(id);
  if (entry == nullptr || entry->state == EntryState::kAnswered) return true;
  last_sign_ = now;
  if (entry->state != EntryState::kOpen) return true;
  if (!entry->running) return true;
  const Time renewed =
      std::min(now + entry->limit, entry->turn + std::max(progress_cap_, entry->limit));
  if (renewed > entry->deadline) {
    entry->deadline = renewed;
    renewed_.emplace(renewed, id);
  }
  return true;
}

// ---- Time
// ------------------------------------------------------------------------------------------

void SessionLedger::StartTurn(Entry& entry, uint64_t id, Time now) {
  entry.running = true;
  entry.turn = now;
  entry.deadline = now + entry.limit;
  deadlines_[entry.limit].emplace_back(entry.deadline, id);
  ++turns_;
}

// The plugin comes to it, wanted or not, and has a time limit to be done with it.
void SessionLedger::StartCancelled(Entry& entry, uint64_t id, Time now) {
  entry.running = true;
  ++turns_;
  stuck_.emplace(now + entry.limit + time_limit_, id);
}

void SessionLedger::StartTurns(Time now) {
  TrimDeadlines();
  if (up_.in_order) return StartTurnsInOrder(now);
  const uint32_t limit = up_.concurrency == 0 ? ~uint32_t{0} : up_.concurrency;
  next_turn_ = std::max(next_turn_, first_id_);
  while (turns_ < limit && next_turn_ < next_id()) {
    Entry& entry = entries_[next_turn_ - first_id_];
    if (entry.state == EntryState::kOpen) StartTurn(entry, next_turn_, now);
    if (entry.state == EntryState::kExpired) StartCancelled(entry, next_turn_, now);
    ++next_turn_;
  }
}

void SessionLedger::StartTurnsInOrder(Time now) {
  const uint32_t limit = up_.concurrency == 0 ? ~uint32_t{0} : up_.concurrency;
  absl::flat_hash_set<const Key*> seen;
  const auto consider = [&](uint64_t id, Entry& entry) {
    if (entry.state == EntryState::kAnswered) return;
    if (entry.key != nullptr && !seen.insert(entry.key).second) return;
    if (entry.running) return;
    if (entry.state == EntryState::kOpen) StartTurn(entry, id, now);
    if (entry.state == EntryState::kExpired) StartCancelled(entry, id, now);
  };
  for (auto& [id, entry] : strays_) consider(id, entry);
  for (size_t i = 0; i < entries_.size() && turns_ < limit; ++i)
    consider(first_id_ + i, entries_[i]);
}

void SessionLedger::Cancel(uint64_t id, Time now) {
  Entry& entry = *Find(id);
  entry.state = EntryState::kExpired;
  entry.item = nullptr;
  CloseInFrame(entry.frame);
  // Otherwise when its turn comes.
  if (entry.running) stuck_.emplace(std::max(now, entry.deadline) + time_limit_, id);
}

std::vector<SessionLedger::Expired> SessionLedger::TakeExpired(Time now) {
  std::vector<Expired> out;
  const auto consider = [&](const Due& due) {
    Entry* entry = Find(due.second);
    if (entry == nullptr || entry->state != EntryState::kOpen || entry->deadline != due.first)
      return;
    out.push_back({due.second, entry->item});
    entry->state = EntryState::kExpired;
    if (entry->lane == nullptr || !entry->lane->ends_when_answered()) entry->item = nullptr;
    CloseInFrame(entry->frame);
    stuck_.emplace(now + time_limit_, due.second);
  };
  for (auto& [limit, rising] : deadlines_) {
    while (!rising.empty() && rising.front().first <= now) {
      consider(rising.front());
      rising.pop_front();
    }
  }
  while (!renewed_.empty() && renewed_.top().first <= now) {
    const Due due = renewed_.top();
    renewed_.pop();
    consider(due);
  }
  return out;
}

bool SessionLedger::IsStuck(Time now, bool* at_once) {
  while (!stuck_.empty()) {
    const auto [due, id] = stuck_.top();
    Entry* entry = Find(id);
    const bool owed = entry != nullptr && entry->state == EntryState::kExpired;
    if (owed && due > now) return false;
    stuck_.pop();
    if (!owed) continue;
    *at_once = last_sign_ <= due - time_limit_;
    return true;
  }
  return false;
}

Time SessionLedger::NextDeadline() const {
  Time next = kNever;
  // Answered or renewed ones at the front only cause an early look.
  for (const auto& [limit, rising] : deadlines_) {
    if (!rising.empty()) next = std::min(next, rising.front().first);
  }
  if (!renewed_.empty()) next = std::min(next, renewed_.top().first);
  return next;
}

Time SessionLedger::NextTime() const {
  Time next = NextDeadline();
  if (!stuck_.empty()) next = std::min(next, stuck_.top().first);
  return next;
}

// ---- End
// -------------------------------------------------------------------------------------------

SessionLedger::Rest SessionLedger::TakeRest() {
  Rest rest;
  const auto take = [&rest](const Entry& entry) {
    if (entry.state == EntryState::kOpen) rest.open.push_back(entry.item);
    if (entry.state != EntryState::kExpired) return;
    if (entry.key != nullptr) rest.owed.emplace_back(entry.key, entry.lane);
    if (entry.item != nullptr) rest.late.push_back(entry.item);
  };
  for (const auto& [id, entry] : strays_) take(entry);
  for (const Entry& entry : entries_) take(entry);
  strays_.clear();
  first_id_ += entries_.size();
  entries_.clear();
  frames_.clear();
  unanswered_ = 0;
  open_frames_ = 0;
  bytes_ = 0;
  return rest;
}

}  // namespace outboard::lane
