// Where an event is, and what it waits for.
#include <algorithm>

#include "host/lane/dispatcher_impl.h"

namespace outboard::lane {

std::vector<EventView> Dispatcher::Find(const absl::flat_hash_set<std::string>& ids) const {
  std::vector<EventView> found;
  for (const Item& item : impl_->items) {
    // What is being settled has no name any more, and what another hop has is that one's to tell.
    const bool here = item.lane != nullptr && !item.event.empty() && item.call == nullptr &&
                      item.state != ItemState::kForwarded && !item.lane->options().observes;
    if (here && ids.contains(item.event.id())) found.push_back(impl_->ViewOf(item));
  }
  return found;
}

EventView Dispatcher::Impl::ViewOf(const Item& item) const {
  EventView view;
  view.lane = item.lane_id;
  view.event = item.event;
  view.accepted_at = item.accepted_at;
  view.attempts = item.attempts;
  view.ends = item.ends;
  const bool stands = item.state == ItemState::kParked || item.state == ItemState::kSuspect ||
                      item.state == ItemState::kSetAside || item.overdue;
  const Item* const holder = stands ? Lane::HolderOf(item) : nullptr;
  const bool owed = stands && item.key != nullptr && item.key->owed > 0;
  if (holder != nullptr || owed) {
    view.waits = holder != nullptr ? Waits::kKey : Waits::kOwed;
    view.key = item.key->value;
    if (holder != nullptr) view.behind = std::string(holder->event.id());
    return view;
  }
  switch (item.state) {
    case ItemState::kInFlight: {
      view.waits = Waits::kAnswer;
      view.since = item.sent_at;
      const auto session = sessions.find(item.session);
      if (session == sessions.end()) break;
      view.instance = session->second->up().instance;
      view.quarantine = session->second->up().quarantine;
      break;
    }
    case ItemState::kWaiting:
      view.waits = Waits::kRetry;
      view.until = item.wake;
      break;
    case ItemState::kSuspect:
    case ItemState::kSetAside:
      view.waits = item.state == ItemState::kSuspect ? Waits::kTrial : Waits::kAside;
      view.detail = item.report;
      if (circuit != CircuitState::kClosed) view.until = circuit_next;
      break;
    case ItemState::kSettling: view.waits = Waits::kSettling; break;
    case ItemState::kReady:
    case ItemState::kParked:
    case ItemState::kForwarded:
    case ItemState::kFree: TellWhyReady(item, &view); break;
  }
  return view;
}

// What holds up the first events of its lane.
void Dispatcher::Impl::TellWhyReady(const Item& item, EventView* view) const {
  const Lane& lane = *item.lane;
  if (lane.paused) {
    view->waits = Waits::kPaused;
    return;
  }
  if (circuit != CircuitState::kClosed) {
    view->waits = Waits::kCircuit;
    view->until = circuit_next;
    view->detail = circuit_reason;
    return;
  }
  if (lane.probe.on) {
    view->waits = Waits::kProbe;
    view->since = lane.probe.since;
    view->until = lane.probe.next;
    return;
  }
  const ComponentId component = lane.options().component;
  const bool usable = std::any_of(sessions.begin(), sessions.end(), [&](const auto& entry) {
    const SessionLedger& session = *entry.second;
    return session.up().component == component && !session.up().quarantine && !session.draining &&
           !session.broken;
  });
  view->waits = !usable ? Waits::kSession : paused_since[component] ? Waits::kWindow : Waits::kRoom;
  if (view->waits == Waits::kWindow) view->since = paused_since[component];
}

}  // namespace outboard::lane
