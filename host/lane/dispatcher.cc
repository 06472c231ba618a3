#include "host/lane/dispatcher.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "host/base/status.h"
#include "host/lane/dispatcher_impl.h"

namespace outboard::lane {
namespace {

// The bus may take the same settlement later; any other error is an emit that it refuses for good.
bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

}  // namespace

Dispatcher::Dispatcher(DispatcherOptions options, uint64_t seed, std::vector<KnownSuspect> known)
    : impl_(std::make_unique<Impl>(std::move(options), seed, std::move(known))) {}
Dispatcher::~Dispatcher() = default;

void Dispatcher::Step(Input input, Time now, Effects* effects) {
  impl_->Step(std::move(input), now, effects);
}
const LaneStats& Dispatcher::stats(LaneId lane) const { return impl_->lane_by_id.at(lane)->stats; }
bool Dispatcher::empty(LaneId lane) const { return impl_->lane_by_id.at(lane)->empty(); }
CircuitState Dispatcher::circuit() const { return impl_->circuit; }
const std::string& Dispatcher::circuit_reason() const { return impl_->circuit_reason; }
uint64_t Dispatcher::late_answers() const { return impl_->late_answers; }
uint64_t Dispatcher::protocol_errors() const { return impl_->protocol_errors; }
std::optional<Time> Dispatcher::paused_since(ComponentId component) const {
  return impl_->paused_since[component];
}
bool Dispatcher::draining() const { return impl_->draining; }

std::vector<SuspectView> Dispatcher::suspects() const {
  std::vector<SuspectView> out;
  const auto add = [&out](const Item& item, bool aside) {
    out.push_back({item.lane_id, std::string(item.event.id()), item.ends, aside});
  };
  if (impl_->on_trial != nullptr) add(*impl_->on_trial, false);
  for (const auto& [sequence, item] : impl_->suspects) add(*item, false);
  for (const Item* item : impl_->set_aside) add(*item, true);
  return out;
}

std::vector<SessionView> Dispatcher::sessions() const {
  std::vector<SessionView> out;
  for (const auto& [id, session] : impl_->sessions) {
    out.push_back({id, session->up().instance, session->unanswered(), session->window(impl_->now),
                   session->draining});
  }
  return out;
}

Dispatcher::Impl::Impl(DispatcherOptions o, uint64_t seed, std::vector<KnownSuspect> from_before)
    : options(std::move(o)), random(seed) {
  for (KnownSuspect& one : from_before) known[one.name] = std::move(one);
  AddComponents();
  for (const LaneOptions& lane : options.lanes) AddLane(lane);
}

void Dispatcher::Impl::Step(Input input, Time time, Effects* effects) {
  OUTBOARD_CHECK(time >= now);
  now = time;
  out = effects;
  std::visit([this](auto& in) { On(in); }, input);
  Finish();
  out = nullptr;
}

// ---- Inputs of the bus, time and drain
// -----------------------------------------------------------

void Dispatcher::Impl::On(DeliveriesArrived& in) {
  for (bus::Delivery& delivery : in.deliveries) {
    Item* item = NewItem(delivery.lane);
    item->tag = delivery.tag;
    item->bytes = delivery.event.size();
    item->event = std::move(delivery.event);
    item->attempts = delivery.attempts;
    item->accepted_at = delivery.accepted_at;
    item->passes = !GivesBack(*item->lane) && DoesNotHook(*item);
    item->lane->Admit(item);
    if (GivesBack(*item->lane)) {
      Return(item);
    } else if (!known.empty()) {
      Recall(item);
    }
  }
}

void Dispatcher::Impl::On(SettlesArrived& in) {
  for (bus::Settled& settled : in.settled) {
    Item* item = &items[settled.cookie];
    if (settled.status.ok()) {
      Release(item);
      continue;
    }
    OUTBOARD_CHECK(settled.failed != nullptr);
    bus::Settlement& settlement = *settled.failed;
    if (settlement.end == bus::End::kDone && !settlement.emits.empty() &&
        !IsTransient(settled.status)) {
      settlement.end = item->end = bus::End::kDead;
      settlement.attempts = item->attempts;
      settlement.emits.clear();
      settlement.dead = std::make_unique<bus::DeadReason>(
          bus::DeadReason{"EMIT_REFUSED", std::string(settled.status.message()), ""});
      Notify(Notice::Kind::kDeadLettered, item, "EMIT_REFUSED");
      if (options.lineage && item->lane->options().first) RecordEnd(*item, &settlement);
      ++item->lane->stats.dying;
      Stop(item->lane);
      out->settlements.push_back(std::move(settlement));
      Key* key = item->lane->options().parks ? item->lane->FindKey(item->event) : nullptr;
      if (key == nullptr) continue;
      for (Item* other : item->lane->TakeBehind(key, item->sequence)) Return(other);
      continue;
    }
    Notify(Notice::Kind::kSettleFailed, item, std::string(settled.status.message()));
    settle_again.emplace(now + options.settle_retry, std::move(settled.failed));
  }
}

void Dispatcher::Impl::On(TimerFired&) {
  WakeWaiting();
  SettleAgain();
  for (auto& [id, session] : sessions) {
    if (session->broken) continue;
    ExpireDeliveries(*session);
    CheckStuck(*session);
  }
  EndDrainAtDeadline();
}

void Dispatcher::Impl::On(StartDrain& in) {
  if (draining) return;
  draining = true;
  drain_deadline = in.deadline;
  for (std::optional<Time>& since : forming) since.reset();
  for (auto& [id, session] : sessions) DrainSession(*session, "the host is shutting down");
  ReturnUnsent(nullptr, false);
  while (!suspects.empty()) Return(suspects.begin()->second);
  while (!set_aside.empty()) Return(set_aside.back());
}

void Dispatcher::Impl::WakeWaiting() {
  while (!waiting.empty() && waiting.begin()->first <= now) {
    Item* item = &items[waiting.begin()->second];
    if (!Lane::MayGo(*item)) {
      waiting.erase(waiting.begin());
      item->overdue = true;  // Lane::Unblock makes it ready.
      continue;
    }
    Unwait(item);
    item->lane->PushReady(item);
  }
}

void Dispatcher::Impl::SettleAgain() {
  while (!settle_again.empty() && settle_again.begin()->first <= now) {
    out->settlements.push_back(std::move(*settle_again.begin()->second));
    settle_again.erase(settle_again.begin());
  }
}

void Dispatcher::Impl::EndDrainAtDeadline() {
  if (drain_deadline > now) return;
  drain_deadline = kNever;
  for (auto& [id, session] : sessions) {
    SessionLedger::Rest rest = session->TakeRest();
    for (auto& [key, lane] : rest.owed) lane->FreeOwed(key);
    for (Item* item : rest.late) Return(item);
    std::reverse(rest.open.begin(), rest.open.end());
    for (Item* item : rest.open) Return(item);
  }
}

// ---- The end of a step
// ---------------------------------------------------------------------------

void Dispatcher::Impl::Finish() {
  for (auto& lane : lanes) {
    GiveUpAside(*lane);
    GiveUpAsideForFirst(*lane);
  }
  RunDry();
  if (!draining) {
    PumpTrials();
    for (ComponentId c = 0; c < lanes_of.size(); ++c) {
      NoteAbsence(c);
      for (Lane* lane : lanes_of[c]) {
        ForwardPassing(*lane);
        PassBy(*lane);
        FailCalls(*lane);
      }
      Pump(c);
    }
    RunDry();  // Where one was too large.
  }
  for (auto& [id, session] : sessions) session->StartTurns(now);
  for (ComponentId c = 0; c < lanes_of.size(); ++c) NotePause(c);
  for (auto& lane : lanes) {
    UpdateCredit(*lane);
    TellJam(*lane);
    TellStop(*lane);
  }
  if (std::exchange(known_changed, false)) {
    out->known.emplace();
    for (const auto& [name, one] : known) out->known->push_back(one);
  }
  out->wants_quarantine = WantsQuarantine();
  out->drained = draining && live_items == 0;
  out->wake_at = NextWake();
}

void Dispatcher::Impl::UpdateCredit(Lane& lane) {
  if (lane.options().calls) return;
  uint32_t wanted = 0;
  const bool seeking = circuit == CircuitState::kTrial && circuit_event == nullptr;
  const bool passed_by = lane.options().fail_open && !GivesBack(lane) &&
                         (circuit != CircuitState::kClosed || IsAbsent(lane.options().component));
  if (passed_by) {
    wanted = lane.Wanted(options.frame_deliveries);
  } else if (GivesBack(lane) || circuit == CircuitState::kOpen ||
             (circuit == CircuitState::kTrial && !seeking)) {
    wanted = 0;
  } else {
    uint64_t window = 0;
    for (const auto& [id, session] : sessions) {
      const bool usable = session->up().component == lane.options().component &&
                          !session->draining && !session->broken && !session->up().quarantine &&
                          !session->reserved;
      if (usable) window += session->window(now);
    }
    wanted = lane.Wanted(window);
    // One event at a time.
    const bool idle = lane.stats.ready == 0 && lane.stats.in_flight == 0 && lane.waiting == 0;
    if ((lane.probe.on && !lane.options().fail_open) || seeking)
      wanted = std::min<uint32_t>(wanted, idle ? 1 : 0);
  }
  // Whatever comes before all of these are back would overtake them.
  if (lane.ordered() && lane.going_back > 0) wanted = 0;
  const uint32_t step = wanted / 8 + 1;
  if (wanted < lane.credit ||
      (wanted > lane.credit && (lane.credit == 0 || wanted - lane.credit >= step))) {
    lane.credit = wanted;
    out->credits.push_back({lane.options().id, wanted});
  }
}

Time Dispatcher::Impl::NextWake() {
  Time next = std::min(drain_deadline, kNever);
  if (!waiting.empty()) next = std::min(next, waiting.begin()->first);
  if (!settle_again.empty()) next = std::min(next, settle_again.begin()->first);
  for (const auto& [id, session] : sessions) {
    if (!session->broken) next = std::min(next, session->NextTime());
    if (SuspectsLeft() && session->doubt_until > now) next = std::min(next, session->doubt_until);
  }
  for (const std::optional<Time>& since : forming) {
    if (since) next = std::min(next, *since + options.linger);
  }
  for (const auto& lane : lanes) {
    const std::optional<Time>& absent = absent_since[lane->options().component];
    const bool minds = lane->options().fail_open || (lane->options().calls && lane->has_ready());
    if (minds && absent && !IsAbsent(lane->options().component))
      next = std::min(next, *absent + options.absent_after);
    if (lane->probe.on && lane->has_ready() && lane->stats.in_flight == 0 &&
        lane->probe.next > now) {
      next = std::min(next, lane->probe.next);
    }
  }
  const bool circuit_waits = circuit == CircuitState::kOpen ||
                             (circuit == CircuitState::kTrial && circuit_event == nullptr &&
                              on_trial == nullptr && !circuit_tries_suspects && SuspectsLeft());
  if (circuit_waits && !draining) next = std::min(next, circuit_next);
  return next;
}

// ---- Items
// ---------------------------------------------------------------------------------------

Item* Dispatcher::Impl::NewItem(LaneId lane) {
  if (free_slots.empty()) {
    const uint32_t slot = static_cast<uint32_t>(items.size());
    items.emplace_back().slot = slot;
    free_slots.push_back(slot);
  }
  Item* item = &items[free_slots.back()];
  free_slots.pop_back();
  ++live_items;
  item->sequence = next_sequence++;
  item->lane = lane_by_id.at(lane);
  item->lane_id = lane;
  return item;
}

void Dispatcher::Impl::Release(Item* item) {
  Lane& lane = *item->lane;
  --lane.stats.settling;
  switch (item->end) {
    case bus::End::kDone:
      ++lane.stats.done;
      lane.stats.end_to_end.Add(now - item->accepted_at);
      break;
    case bus::End::kDead:
      ++lane.stats.dead;
      --lane.stats.dying;
      break;
    case bus::End::kReturned:
      ++lane.stats.returned;
      --lane.going_back;
      break;
    case bus::End::kDropped: ++lane.stats.dropped; break;
    case bus::End::kRetry: break;
  }
  FreeSlot(item);
}

void Dispatcher::Impl::FreeSlot(Item* item) {
  item->lane->Forget(*item);
  const uint32_t slot = item->slot;
  *item = Item();
  item->slot = slot;
  free_slots.push_back(slot);
  --live_items;
}

void Dispatcher::Impl::Detach(Item* item) {
  switch (item->state) {
    case ItemState::kReady: item->lane->EraseReady(item); break;
    case ItemState::kInFlight: --item->lane->stats.in_flight; break;
    case ItemState::kForwarded: --item->lane->stats.forwarded; break;
    case ItemState::kWaiting: Unwait(item); break;
    case ItemState::kSuspect:
    case ItemState::kSetAside: TakeFromSuspects(item); break;
    case ItemState::kParked:  // Not by this way: Lane::TakeQueued.
    case ItemState::kFree:
    case ItemState::kSettling: break;
  }
  if (on_trial == item) on_trial = nullptr;
  if (circuit_event == item) circuit_event = nullptr;
  item->state = ItemState::kFree;
}

void Dispatcher::Impl::Settle(Item* item, bus::Settlement settlement) {
  if (item->lane->options().calls) return EndCall(item, settlement);
  Detach(item);
  if (settlement.end != bus::End::kReturned) ForgetKnown(*item);
  settlement.lane = item->lane_id;
  settlement.tag = item->tag;
  settlement.cookie = item->slot;
  settlement.attempts = item->attempts;
  item->state = ItemState::kSettling;
  item->end = settlement.end;
  ++item->lane->stats.settling;
  const bool back = item->end == bus::End::kReturned;
  if (back) ++item->lane->going_back;
  if (item->end == bus::End::kDead) {
    ++item->lane->stats.dying;
    Stop(item->lane);
  }
  const bool ends_well = item->end == bus::End::kDone || item->end == bus::End::kDropped;
  if (item->tried && !ends_well) settlement.tried = std::move(item->tried);
  if (options.lineage && item->lane->options().first) RecordEnd(*item, &settlement);
  // One whose emits are refused is still to be named.
  const bool nameless = settlement.emits.empty();
  out->settlements.push_back(std::move(settlement));
  std::vector<Item*> behind;
  if (item->end == bus::End::kDead && item->lane->options().parks && item->key != nullptr)
    behind = item->lane->TakeBehind(item->key, item->sequence);
  item->lane->FreeKey(item, back);
  for (Item* other : behind) Return(other);
  if (nameless) item->event = Event();
}

void Dispatcher::Impl::SettleDone(Item* item, std::vector<Event> emits,
                                  std::unique_ptr<bus::Placed> placed, const SessionUp& by) {
  item->lane->stats.emitted += emits.size();
  bus::Settlement settlement;
  settlement.end = bus::End::kDone;
  settlement.emits = std::move(emits);
  settlement.placed = std::move(placed);
  if (options.lineage) NoteGoodTurn(*item, "done", by, &settlement);
  Settle(item, std::move(settlement));
}

void Dispatcher::Impl::SettleDead(Item* item, std::string reason, std::string message,
                                  std::string detail) {
  // Only the event itself can end a stage that fails open in a way that counts against it.
  if (item->lane->options().fail_open && item->suspected) return Forward(item, item->event);
  if (item->lane->options().observes) return Ignore(item);
  const LaneOptions& hop = item->lane->options();
  if (hop.role == Role::kStage && !hop.calls) {
    message =
        "stage " + options.components[hop.component] + (message.empty() ? "" : ": ") + message;
  }
  if (!hop.calls) Notify(Notice::Kind::kDeadLettered, item, reason);
  bus::Settlement settlement;
  settlement.end = bus::End::kDead;
  settlement.dead = std::make_unique<bus::DeadReason>(
      bus::DeadReason{std::move(reason), std::move(message), std::move(detail),
                      item->tried ? item->tried->back().version : item->version});
  Settle(item, std::move(settlement));
}

void Dispatcher::Impl::SettleRetry(Item* item, Time due, Failure why) {
  bus::Settlement settlement;
  settlement.end = bus::End::kRetry;
  settlement.due = due;
  if (!item->lane->options().first) {
    settlement.dead = std::make_unique<bus::DeadReason>(
        bus::DeadReason{std::move(why.reason), std::move(why.message), KeptDetail(why)});
  }
  Settle(item, std::move(settlement));
}

void Dispatcher::Impl::Return(Item* item) {
  if (item->key != nullptr && item->state == ItemState::kParked) {  // Just admitted.
    std::erase(item->key->parked, item);
    --item->lane->stats.parked;
    item->key = nullptr;
  }
  bus::Settlement settlement;
  settlement.end = bus::End::kReturned;
  Settle(item, std::move(settlement));
}

void Dispatcher::Impl::ReturnWithFollowers(Item* item) {
  std::vector<Item*> others;
  if (item->key != nullptr) {
    others = item->lane->TakeFollowers(item->key, GivesBack(*item->lane));
    for (Item* other : item->key->active) {  // The rest of a run, as far as it has come back.
      const bool waits = other->state == ItemState::kWaiting || other->state == ItemState::kReady;
      if (waits && !Lane::StandsBeforeSuspect(*other)) others.push_back(other);
    }
  }
  Return(item);
  for (Item* other : others) Return(other);
}

// What a stage that fails open does not get passes it by.
bool Dispatcher::Impl::StaysWhenDown(const Lane& lane) const {
  return lane.options().fail_open && !GivesBack(lane);
}

void Dispatcher::Impl::ReturnUnsent(Lane* only, bool keep_one_ready) {
  // All are taken out before the first goes back, since that one could make the next of its key
  // ready.
  std::vector<Item*> taken;
  for (auto& lane : lanes) {
    if ((only != nullptr && lane.get() != only) || StaysWhenDown(*lane)) continue;
    const std::vector<Item*> queued = lane->TakeQueued(keep_one_ready, GivesBack(*lane));
    taken.insert(taken.end(), queued.begin(), queued.end());
  }
  for (Item& item : items) {
    const bool asked = item.state == ItemState::kWaiting &&
                       (only == nullptr || item.lane == only) && !StaysWhenDown(*item.lane);
    if (!asked || (!GivesBack(*item.lane) && Lane::StandsBeforeSuspect(item))) continue;
    Unwait(&item);
    taken.push_back(&item);
  }
  for (Item* item : taken) Return(item);
}

void Dispatcher::Impl::Wait(Item* item, Time until) {
  item->state = ItemState::kWaiting;
  item->wake = until;
  ++item->lane->waiting;
  ++item->lane->stats.held;
  waiting.emplace(until, item->slot);
  if (item->key != nullptr) item->lane->Unblock(item->key);
}

void Dispatcher::Impl::Unwait(Item* item) {
  waiting.erase({item->wake, item->slot});
  item->overdue = false;
  --item->lane->waiting;
  --item->lane->stats.held;
  item->state = ItemState::kFree;
}

void Dispatcher::Impl::Notify(Notice::Kind kind, const Item* item, std::string text,
                              uint64_t count) {
  Notice notice{kind, 0, "", std::move(text), count};
  if (item != nullptr) {
    notice.lane = item->lane_id;
    notice.event_id = std::string(item->event.id());
  }
  out->notices.push_back(std::move(notice));
}

}  // namespace outboard::lane
