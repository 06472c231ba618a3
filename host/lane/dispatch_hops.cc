// Lanes with stages: what passes a hop goes on to the next one, and what becomes of it comes back.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/event/wire.h"
#include "host/lane/dispatcher_impl.h"
#include "host/route/filter.h"

namespace outboard::lane {
namespace {

// The tag of a forwarded delivery names its slot; no tag is 0.
bus::Tag TagOf(const Item& item) { return bus::Tag{item.slot} + 1; }

}  // namespace

void Dispatcher::Impl::Forward(Item* item, Event event) {
  Lane& lane = *item->lane;
  ++lane.stats.passed;
  if (lane.options().observes) {
    bus::Settlement seen;
    seen.end = bus::End::kDone;
    return Settle(item, std::move(seen));
  }
  Detach(item);
  ForgetEnds(item);
  item->suspected = false;
  item->state = ItemState::kForwarded;
  ++lane.stats.forwarded;
  if (lane.next_credit > 0) --lane.next_credit;
  bus::Delivery delivery;
  delivery.lane = *lane.options().next;
  delivery.tag = TagOf(*item);
  delivery.event = std::move(event);
  delivery.attempts = item->attempts;
  delivery.accepted_at = item->accepted_at;
  out->forwards.push_back(std::move(delivery));
}

void Dispatcher::Impl::On(NextCredit& in) { lane_by_id.at(in.lane)->next_credit = in.more; }

void Dispatcher::Impl::On(NextEnded& in) {
  for (bus::Settlement& end : in.settlements) TakeEnd(end);
}

// Once more where something came back and the jam goes on.
void Dispatcher::Impl::TellJam(Lane& lane) {
  const bool jammed = lane.jammed_by_next();
  if (jammed != lane.told_jammed || (jammed && lane.next_ended))
    out->jams.push_back({lane.options().id, jammed});
  lane.told_jammed = jammed;
  lane.next_ended = false;
}

void Dispatcher::Impl::TakeEnd(bus::Settlement& end) {
  Item* item = &items[end.tag - 1];
  OUTBOARD_CHECK(item->state == ItemState::kForwarded && item->lane_id == end.lane);
  Lane& lane = *item->lane;
  lane.next_ended = true;
  Detach(item);
  if (end.attempts > item->attempts) ++lane.stats.retries;
  item->attempts = end.attempts;
  const bool ends_well = end.end == bus::End::kDone || end.end == bus::End::kDropped;
  if (ends_well) {
    if (options.lineage) NotePassed(*item, &end);
  } else if (end.tried) {
    for (bus::Attempt& attempt : *end.tried) KeepTried(item, std::move(attempt));
    end.tried = nullptr;
  }
  if (!lane.options().first) return Settle(item, std::move(end));
  switch (end.end) {
    case bus::End::kReturned: return ReturnWithFollowers(item);
    case bus::End::kRetry: {
      Failure failure;
      if (end.dead) failure = {end.dead->reason, end.dead->message, end.dead->detail};
      return PlaceRetry(item, end.due, std::move(failure));
    }
    case bus::End::kDone: lane.stats.emitted += end.emits.size(); break;
    case bus::End::kDropped:
    case bus::End::kDead: break;
  }
  Settle(item, std::move(end));
}

// ---- What a stage says
// ------------------------------------------------------------------------------------

absl::StatusOr<Event> Dispatcher::Impl::Changed(const Event& event, std::string bytes) const {
  constexpr char kWhat[] = "the changed event: ";
  absl::StatusOr<Event> changed = CheckEvent(std::move(bytes), options.event_limits);
  if (!changed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(kWhat, changed.status().message()));
  }
  if (changed->id() != event.id() || changed->source() != event.source())
    return absl::InvalidArgumentError(
        absl::StrCat(kWhat, "id and source must stay what they were"));
  return changed;
}

void Dispatcher::Impl::JudgeContinue(Item* item, SessionLedger& session, Answer* answer) {
  BreakRun(*item->lane);
  Event event = item->event;
  if (answer->changed) {
    absl::StatusOr<Event> changed = Changed(event, *std::move(answer->changed));
    if (!changed.ok() && item->lane->options().fail_open) return Forward(item, std::move(event));
    if (!changed.ok()) {
      NoteTried(item, "refused", "CHANGE_REFUSED", std::string(changed.status().message()),
                session.up());
      return SettleDead(item, "CHANGE_REFUSED", std::string(changed.status().message()), "");
    }
    event = *std::move(changed);
  }
  OnSuccess(*item, session.up());
  item->took = now - item->sent_at;
  Forward(item, std::move(event));
}

void Dispatcher::Impl::JudgeHalt(Item* item, const SessionLedger& session) {
  BreakRun(*item->lane);
  ++item->lane->stats.halted;
  OnSuccess(*item, session.up());
  bus::Settlement settlement;
  settlement.end = bus::End::kDropped;
  settlement.dropped_by = options.components[item->lane->options().component];
  if (options.lineage) NoteGoodTurn(*item, "halt", session.up(), &settlement);
  Settle(item, std::move(settlement));
}

void Dispatcher::Impl::Ignore(Item* item) {
  bus::Settlement settlement;
  settlement.end = bus::End::kDropped;
  Settle(item, std::move(settlement));
}

// ---- A stage that fails open
// ------------------------------------------------------------------------------------

void Dispatcher::Impl::NoteAbsence(ComponentId component) {
  const bool usable = std::any_of(sessions.begin(), sessions.end(), [&](const auto& entry) {
    const SessionLedger& session = *entry.second;
    return session.up().component == component && !session.up().quarantine && !session.draining &&
           !session.broken && !session.paused();
  });
  std::optional<Time>& since = absent_since[component];
  if (usable) {
    since.reset();
  } else if (!since) {
    since = now;
  }
}

bool Dispatcher::Impl::IsAbsent(ComponentId component) const {
  const std::optional<Time>& since = absent_since[component];
  return since && now >= *since + options.absent_after;
}

bool Dispatcher::Impl::DoesNotHook(const Item& item) const {
  const LaneOptions& hop = item.lane->options();
  if (item.call != nullptr && !item.call->is_event()) {
    const auto& hooked = operations[hop.component];
    return hooked && !HooksOperation(*hooked, *item.call);
  }
  if (!hop.next && !hop.calls) return false;
  const std::vector<std::string>& types = hooks[hop.component];
  return !types.empty() && std::none_of(types.begin(), types.end(), [&](const std::string& type) {
    return route::TopicMatches(type, item.event.type());
  });
}

void Dispatcher::Impl::ForwardPassing(Lane& lane) {
  while (Item* item = lane.TakePassing()) {
    if (item->call != nullptr) {
      PassBy(item);
    } else {
      Forward(item, item->event);
    }
  }
}

// Nobody knows when they could be tried.
void Dispatcher::Impl::PassSuspects(Lane& lane) {
  std::vector<Item*> pass;
  const auto consider = [&](Item* item) {
    if (item->lane == &lane && Lane::MayGo(*item)) pass.push_back(item);
  };
  for (const auto& [sequence, item] : suspects) consider(item);
  for (Item* item : set_aside) consider(item);
  for (Item* item : pass) Forward(item, item->event);
}

// Nothing waits for a stage that is down; one event at a time looks whether it is still.
void Dispatcher::Impl::PassBy(Lane& lane) {
  if (!lane.options().fail_open) return;
  // The circuit's own trial has taken its event before.
  const bool down = circuit != CircuitState::kClosed || IsAbsent(lane.options().component);
  if (!down && !lane.probe.on) return;
  if (down) PassSuspects(lane);
  const size_t stay = !down && MayTake(lane) ? 1 : 0;
  while (lane.ready_count() > stay) {
    Item* item = lane.front();
    lane.PopFront();
    Forward(item, item->event);
  }
}

}  // namespace outboard::lane
