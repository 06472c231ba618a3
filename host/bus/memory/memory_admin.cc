#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/bus/attempts.h"
#include "host/bus/dead_filter.h"
#include "host/bus/lane_groups.h"
#include "host/bus/memory/memory_bus.h"
#include "host/bus/memory/memory_consumer.h"

// What people ask a MemoryBus for.
namespace outboard::bus {

BusInfo MemoryBus::Info() {
  MutexLock lock(mu_);
  BusInfo info;
  info.kind = "memory";
  info.location = "this process";
  info.connected = fail_.ok();
  info.bytes = held_bytes_;
  info.events = log_.size();
  return info;
}

absl::StatusOr<std::vector<LaneInfo>> MemoryBus::Lanes() {
  MutexLock lock(mu_);
  std::vector<LaneInfo> infos;
  for (const auto& [name, lane] : lanes_) infos.push_back(Describe(lane));
  return infos;
}

absl::StatusOr<std::map<std::string, uint64_t>> MemoryBus::DeadCounts() {
  MutexLock lock(mu_);
  std::map<std::string, uint64_t> counts;
  for (const auto& [name, lane] : lanes_) counts[name] = 0;
  for (const auto& [id, letter] : dead_) {
    const auto lane = counts.find(letter.lane);
    if (lane != counts.end()) ++lane->second;
  }
  return counts;
}

LaneInfo MemoryBus::Describe(const Lane& lane) const {
  LaneInfo info;
  info.name = lane.spec.name;
  info.orphan = lane.orphan;
  for (const auto& [id, letter] : dead_) info.dead += letter.lane == info.name;
  // Of an orphan's shared queue the events are the others'.
  if (lane.orphan && OthersUse(lane.queue.get(), &lane, true)) return info;
  const Queue& queue = *lane.queue;
  info.backlog = queue.waiting.size() + queue.retrying.size() + queue.in_flight.size();
  info.retrying = queue.retrying.size();
  Time oldest = kNever;
  for (const auto& [place, item] : queue.waiting) oldest = std::min(oldest, item.accepted_at);
  for (const auto& [due, item] : queue.retrying) oldest = std::min(oldest, item.accepted_at);
  if (!queue.in_flight.empty()) oldest = std::min(oldest, *queue.in_flight.begin());
  if (oldest != kNever) info.oldest = oldest;
  return info;
}

absl::StatusOr<Forgotten> MemoryBus::ForgetLane(const std::string& name, Remainder remainder) {
  MutexLock lock(mu_);
  const auto it = lanes_.find(name);
  if (it == lanes_.end()) {
    return absl::NotFoundError(
        absl::StrCat("no lane is called '", name, "': `outboard lane list` shows which there are"));
  }
  Lane& lane = it->second;
  if (!lane.orphan || lane.open) {
    return absl::FailedPreconditionError(
        absl::StrCat("lane '", name, "' is in use: take its route out of the configuration first"));
  }
  Forgotten forgotten;
  if (!OthersUse(lane.queue.get(), &lane, false)) {
    Queue& queue = *lane.queue;
    const uint64_t left = queue.waiting.size() + queue.retrying.size();
    if (left > 0 && remainder == Remainder::kRefuse) {
      return absl::FailedPreconditionError(
          absl::StrCat("lane '", name, "' has ", left,
                       " events left: discard them (--discard) or make "
                       "them dead letters (--to-dead)"));
    }
    for (auto& [due, item] : queue.retrying) queue.waiting.emplace(item.place, std::move(item));
    for (auto& [place, item] : queue.waiting) {
      if (remainder == Remainder::kToDead) {
        const uint32_t attempts = item.attempts;
        AddDead(name, std::move(item), attempts, {"LANE_FORGOTTEN", "its lane was forgotten", ""});
      } else {
        held_bytes_ -= item.event.size();
      }
    }
    (remainder == Remainder::kToDead ? forgotten.to_dead : forgotten.discarded) = left;
  }
  lanes_.erase(it);
  return forgotten;
}

std::vector<uint64_t> MemoryBus::FindDead(const DeadFilter& filter) const {
  std::vector<uint64_t> ids;
  for (const auto& [id, letter] : dead_) {
    if (TakesLetter(filter, letter) && TakesEvent(filter, letter.event)) ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<std::vector<DeadLetter>> MemoryBus::ListDead(const DeadFilter& filter,
                                                            uint64_t after, size_t limit,
                                                            uint64_t* total) {
  MutexLock lock(mu_);
  std::vector<DeadLetter> letters;
  const std::vector<uint64_t> ids = FindDead(filter);
  if (total != nullptr) *total = ids.size();
  for (const uint64_t id : ids) {
    if (id > after && letters.size() < limit) letters.push_back(dead_.at(id));
  }
  return letters;
}

absl::Status MemoryBus::ForEachDead(const DeadFilter& filter,
                                    const std::function<void(const DeadLetter&)>& visit) {
  MutexLock lock(mu_);
  for (const uint64_t id : FindDead(filter)) visit(dead_.at(id));
  return absl::OkStatus();
}

absl::StatusOr<Replayed> MemoryBus::ReplayBatch(const DeadFilter& filter, size_t limit) {
  MutexLock lock(mu_);
  if (!fail_.ok()) return fail_;
  Replayed replayed;
  std::vector<uint64_t> ids;
  for (const uint64_t id : FindDead(filter)) {
    if (ids.size() + replayed.stayed == limit) break;
    replayed.last = id;
    const std::string& name = dead_.at(id).lane;
    const auto it = lanes_.find(name);
    if (it != lanes_.end() && !it->second.orphan) {
      ids.push_back(id);
    } else if (!filter.ids.empty() || !filter.lane.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat("dead letter ", id, " is of lane '", name,
                       "', which is not declared: configure its route again first"));
    } else {
      ++replayed.stayed;
    }
  }
  replayed.count = ids.size();
  for (const uint64_t id : ids) Exhume(id);
  return replayed;
}

void MemoryBus::Exhume(uint64_t id) {
  DeadLetter letter = std::move(dead_.at(id));
  dead_.erase(id);
  Item item{std::move(letter.event),   letter.offset, letter.accepted_at, 0, true,
            ToHistory(&letter.history)};
  if (!letter.edited.empty()) {
    held_bytes_ += letter.edited.size() - item.event.size();
    item.original = std::exchange(item.event, std::move(letter.edited));
  }
  Queue& queue = *lanes_.at(letter.lane).queue;
  queue.waiting.emplace(letter.offset, std::move(item));
  Wake(queue);
}

absl::Status MemoryBus::EditDead(uint64_t id, const Event& event) {
  MutexLock lock(mu_);
  if (!fail_.ok()) return fail_;
  const auto it = dead_.find(id);
  if (it == dead_.end()) return absl::NotFoundError(absl::StrCat("no dead letter ", id));
  it->second.edited = event;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> MemoryBus::PurgeDead(const DeadFilter& filter) {
  MutexLock lock(mu_);
  if (!fail_.ok()) return fail_;
  const std::vector<uint64_t> ids = FindDead(filter);
  for (const uint64_t id : ids) {
    held_bytes_ -= dead_.at(id).event.size();
    dead_.erase(id);
  }
  return ids.size();
}

absl::StatusOr<std::vector<LoggedEvent>> MemoryBus::ReadLog(uint64_t from, size_t limit) {
  MutexLock lock(mu_);
  std::vector<LoggedEvent> events;
  for (const LoggedEvent& logged : log_) {
    if (logged.offset >= from && events.size() < limit) events.push_back(logged);
  }
  return events;
}

absl::StatusOr<FoundEvents> MemoryBus::FindEvents(const absl::flat_hash_set<std::string>& ids) {
  MutexLock lock(mu_);
  FoundEvents out;
  out.has_log = true;
  out.searched = log_.size();
  if (!log_.empty()) out.oldest = log_.front().accepted_at;
  for (const LoggedEvent& logged : log_) {
    if (ids.contains(logged.event.id())) out.found.push_back({logged, StandingsOf(logged)});
  }
  return out;
}

std::vector<Standing> MemoryBus::StandingsOf(const LoggedEvent& logged) const {
  std::map<const Queue*, Standing> by_queue;
  for (const auto& [name, lane] : lanes_) {
    const Queue& queue = *lane.queue;
    const bool takes = logged.offset >= queue.begin && logged.accepted_at >= queue.not_before &&
                       AnyMatches(queue.filters, logged.event.source(), logged.event.type());
    if (!takes) continue;
    Standing& standing = by_queue[&queue];
    standing.lanes.insert(lane.orphan ? standing.lanes.end() : standing.lanes.begin(), name);
  }
  std::vector<Standing> out;
  for (auto& [queue, standing] : by_queue) {
    standing.where =
        queue->waiting.contains(logged.offset) || MemoryConsumer::Has(*queue, logged.offset)
            ? Standing::Where::kWaiting
        : queue->reliable ? Standing::Where::kEnded
                          : Standing::Where::kUnkept;
    for (const auto& [due, item] : queue->retrying) {
      if (item.place != logged.offset) continue;
      standing.where = Standing::Where::kHeld;
      standing.attempts = item.attempts;
      standing.due = due;
    }
    out.push_back(std::move(standing));
  }
  return out;
}

uint64_t MemoryBus::NextOffset() {
  MutexLock lock(mu_);
  return next_offset_;
}

}  // namespace outboard::bus
