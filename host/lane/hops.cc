#include "host/lane/hops.h"

#include <utility>

#include "host/base/status.h"

namespace outboard::lane {
namespace {

template <typename T>
T TakeFirst(std::vector<T>* list) {
  const T first = list->front();
  list->erase(list->begin());
  return first;
}

}  // namespace

Hops::Hops(const std::vector<const DispatcherOptions*>& dispatchers) { Configure(dispatchers); }

void Hops::Configure(const std::vector<const DispatcherOptions*>& dispatchers) {
  OUTBOARD_CHECK(queue_.empty());
  waiting_.resize(dispatchers.size());
  at_.clear();
  before_.clear();
  observed_by_.clear();
  const std::map<LaneId, Observer> known = std::exchange(observers_, {});
  for (size_t i = 0; i < dispatchers.size(); ++i) {
    for (const LaneOptions& lane : dispatchers[i]->lanes) {
      at_[lane.id] = {i, &lane};
      if (lane.next && lane.observes) {
        const auto same = known.find(lane.id);
        observers_[lane.id] = same == known.end() ? Observer() : same->second;
        observed_by_[*lane.next].push_back(lane.id);
      } else if (lane.next) {
        before_[*lane.next] = lane.id;
      }
    }
  }
}

Hops::Waiting& Hops::For(LaneId hop) {
  const size_t dispatcher = at_.at(hop).dispatcher;
  Waiting& waiting = waiting_[dispatcher];
  if (!std::exchange(waiting.queued, true)) queue_.push_back(dispatcher);
  return waiting;
}

void Hops::TakeFrom(Effects* effects) {
  for (bus::Delivery& forward : effects->forwards) {
    if (!observed_by_.empty()) Copy(forward);
    const LaneId hop = forward.lane;
    For(hop).forwarded.deliveries.push_back(std::move(forward));
  }
  effects->forwards.clear();
  for (const FirstJammed& jam : std::exchange(effects->jams, {})) Tell(jam);
  for (const FirstStopped& stop : std::exchange(effects->stops, {})) Tell(stop);
  if (before_.empty() && observers_.empty()) return;
  std::erase_if(effects->settlements, [this](bus::Settlement& s) { return Take(&s); });
  std::erase_if(effects->credits, [this](const SetCredit& credit) { return Take(credit); });
}

bool Hops::Take(bus::Settlement* settlement) {
  const auto before = before_.find(settlement->lane);
  const auto observer = observers_.find(settlement->lane);
  if (before == before_.end() && observer == observers_.end()) return false;
  For(settlement->lane)
      .settled.settled.push_back({settlement->lane, settlement->cookie, absl::OkStatus(), nullptr});
  if (observer != observers_.end()) {  // The end of a copy.
    if (settlement->end == bus::End::kReturned) ++observer->second.missed;
    return true;
  }
  settlement->lane = before->second;
  For(before->second).ended.settlements.push_back(std::move(*settlement));
  return true;
}

bool Hops::Take(const SetCredit& credit) {
  if (const auto observer = observers_.find(credit.lane); observer != observers_.end()) {
    observer->second.credit = credit.more;
    return true;
  }
  const auto before = before_.find(credit.lane);
  if (before == before_.end()) return false;
  For(before->second).credits.push_back({before->second, credit.more});
  return true;
}

void Hops::Tell(const FirstJammed& jam) {
  for (std::optional<LaneId> hop = OptionsOf(jam.lane).next; hop; hop = OptionsOf(*hop).next)
    For(*hop).jams.push_back({*hop, jam.jammed});
}

void Hops::Tell(const FirstStopped& stop) {
  for (std::optional<LaneId> hop = OptionsOf(stop.lane).next; hop; hop = OptionsOf(*hop).next)
    For(*hop).stops.push_back({*hop, stop.stopped});
}

void Hops::Copy(const std::vector<bus::Delivery>& deliveries) {
  if (observed_by_.empty()) return;
  for (const bus::Delivery& delivery : deliveries) Copy(delivery);
}

// An observer that has no room misses the event: nothing waits for it.
void Hops::Copy(const bus::Delivery& delivery) {
  for (const LaneId id : ObserversOf(delivery.lane)) {
    Observer& observer = observers_.at(id);
    if (observer.credit == 0) {
      ++observer.missed;
      continue;
    }
    --observer.credit;
    bus::Delivery copy;
    copy.lane = id;
    copy.tag = ++observer.last_tag;
    copy.event = delivery.event;
    copy.attempts = delivery.attempts;
    copy.accepted_at = delivery.accepted_at;
    For(id).forwarded.deliveries.push_back(std::move(copy));
  }
}

void Hops::Call(CallsArrived::Item call) {
  const LaneId lane = call.lane;
  For(lane).calls.calls.push_back(std::move(call));
}

void Hops::GiveUp(LaneId lane, uint64_t call) { For(lane).given_up.calls.push_back(call); }

// Room first, and what ended before what begins; a call before its cancellation.
std::optional<Input> Hops::TakeNext(Waiting* waiting) {
  if (!waiting->credits.empty()) return TakeFirst(&waiting->credits);
  if (!waiting->jams.empty()) return TakeFirst(&waiting->jams);
  if (!waiting->stops.empty()) return TakeFirst(&waiting->stops);
  if (!waiting->settled.settled.empty()) return std::exchange(waiting->settled, {});
  if (!waiting->ended.settlements.empty()) return std::exchange(waiting->ended, {});
  if (!waiting->forwarded.deliveries.empty()) return std::exchange(waiting->forwarded, {});
  if (!waiting->calls.calls.empty()) return std::exchange(waiting->calls, {});
  if (!waiting->given_up.calls.empty()) return std::exchange(waiting->given_up, {});
  return std::nullopt;
}

std::optional<Hops::Turn> Hops::Next() {
  while (!queue_.empty()) {
    const size_t dispatcher = queue_.front();
    if (std::optional<Input> input = TakeNext(&waiting_[dispatcher]))
      return Turn{dispatcher, *std::move(input)};
    waiting_[dispatcher].queued = false;
    queue_.pop_front();
  }
  return std::nullopt;
}

LaneId Hops::LaneOf(LaneId hop) const {
  if (observers_.contains(hop)) hop = *OptionsOf(hop).next;
  for (auto it = before_.find(hop); it != before_.end(); it = before_.find(hop)) hop = it->second;
  return hop;
}

const std::vector<LaneId>& Hops::ObserversOf(LaneId hop) const {
  static const std::vector<LaneId> kNone;
  const auto found = observed_by_.find(hop);
  return found == observed_by_.end() ? kNone : found->second;
}

}  // namespace outboard::lane
