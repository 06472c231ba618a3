// Sessions come and go.
#include <algorithm>
#include <utility>

#include "host/lane/dispatcher_impl.h"

namespace outboard::lane {
namespace {

// The sessions of a process that died are reported one by one, within this.
constexpr Duration kDoubt = std::chrono::seconds(1);

}  // namespace

SessionLedger* Dispatcher::Impl::Find(SessionId id) {
  const auto it = sessions.find(id);
  return it == sessions.end() ? nullptr : it->second.get();
}

void Dispatcher::Impl::On(SessionUp& in) {
  const SessionId id = in.session;
  auto& session = sessions[id];
  session = std::make_unique<SessionLedger>(std::move(in), options);
  LearnHooks(session->up().component);
  OnBuild(session->up());
  if (draining) DrainSession(*session, "the host is shutting down");
}

// As the newest session says that still takes work; where there is none, as the last one said.
void Dispatcher::Impl::LearnHooks(ComponentId component) {
  for (auto it = sessions.rbegin(); it != sessions.rend(); ++it) {
    const SessionUp& up = it->second->up();
    if (up.component != component || it->second->draining || it->second->broken) continue;
    hooks[component] = up.event_types;
    operations[component] = up.operations;
    return;
  }
}

void Dispatcher::Impl::On(SessionDraining& in) {
  SessionLedger* session = Find(in.session);
  if (session != nullptr && !session->draining && !session->broken)
    DrainSession(*session, "the server is going away");
}

void Dispatcher::Impl::DrainSession(SessionLedger& session, std::string why) {
  if (session.draining || session.broken) return;
  session.draining = true;
  LearnHooks(session.up().component);
  Duration limit = options.time_limit;
  for (const Lane* lane : lanes_of[session.up().component])
    limit = std::max(limit, lane->options().time_limit.value_or(limit));
  const Duration left =
      drain_deadline == kNever ? 2 * limit : std::max(drain_deadline - now, Duration(0));
  out->closes.push_back({session.id(), CloseCause::kDrain, std::move(why), left});
}

void Dispatcher::Impl::On(SessionDown& in) {
  const auto it = sessions.find(in.session);
  if (it == sessions.end()) return;
  const std::unique_ptr<SessionLedger> session = std::move(it->second);
  sessions.erase(it);
  LearnHooks(session->up().component);
  if (session->broken) in.cause = DownCause::kProtocolError;
  if (in.cause != DownCause::kDrained) DoubtInstance(*session);
  SessionLedger::Rest rest = session->TakeRest();
  for (auto& [key, lane] : rest.owed) lane->FreeOwed(key);
  for (Item* item : rest.late) EndLate(item);

  const auto tried = std::find(rest.open.begin(), rest.open.end(), on_trial);
  const bool had_trial = on_trial != nullptr && tried != rest.open.end();
  const bool had_circuit_event = circuit_event != nullptr && circuit_event->session == in.session;
  if (had_trial) {
    Item* item = *tried;
    rest.open.erase(tried);
    OnTrialLost(item, *session, in.cause, in.report);
  }
  if (in.cause == DownCause::kDrained) {
    GiveToOthers(rest.open);
  } else {
    Suspect(rest.open, in.report, session->up());
    if (!session->up().quarantine && !had_trial) CountCrash(in.report);
  }
  if (had_circuit_event && circuit == CircuitState::kTrial) EndCircuitTrial();
}

void Dispatcher::Impl::NotePause(ComponentId component) {
  bool any = false;
  bool open = false;
  for (const auto& [id, session] : sessions) {
    if (session->up().component != component || session->up().quarantine || session->draining ||
        session->broken)
      continue;
    any = true;
    open = open || !session->paused();
  }
  std::optional<Time>& since = paused_since[component];
  if (!any || open) {
    since.reset();
  } else if (!since) {
    since = now;
  }
}

void Dispatcher::Impl::DoubtInstance(const SessionLedger& lost) {
  for (auto& [id, session] : sessions) {
    const bool same = session->up().instance == lost.up().instance &&
                      session->up().quarantine == lost.up().quarantine;
    if (same) session->doubt_until = now + kDoubt;
  }
}

void Dispatcher::Impl::On(InstanceFailed& in) {
  if (!in.quarantine) CountCrash(in.report);
}

void Dispatcher::Impl::GiveToOthers(const std::vector<Item*>& open) {
  // Later ones of a key first, so that the oldest finds them parked.
  for (auto it = open.rbegin(); it != open.rend(); ++it) {
    Item* item = *it;
    Detach(item);
    if (GivesBack(*item->lane)) {
      Return(item);
    } else if (Lane::FollowsBack(*item)) {
      ReturnWithFollowers(item);
    } else if (Lane::MayGo(*item)) {
      item->lane->PushReadyInPlace(item);
    } else {
      item->lane->ParkAgain(item);
    }
  }
}

}  // namespace outboard::lane
