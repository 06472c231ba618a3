// Crash attribution and the circuit: which event, if any, ends its plugin's process.
#include <algorithm>
#include <utility>

#include "host/lane/dispatcher_impl.h"

namespace outboard::lane {
namespace {

// How long a circuit trial waits for an event that is no suspect before it tries suspects.
constexpr Duration kSeekEvent = std::chrono::seconds(1);

constexpr char kSessionLost[] = "SESSION_LOST";

// What goes with the dead letter: which build it was, in what company it was first lost, then how
// its process ended when it was alone.
std::string CrashReport(const Item& item) {
  return "plugin version " + (item.version.empty() ? "not given" : item.version) +
         "; first lost with " + std::to_string(item.lost_with) + " in flight; " + item.report;
}

bool AreOfOne(const SessionUp& a, const SessionUp& b) {
  return a.version == b.version && a.generation == b.generation;
}

// Whether its last end was of this build.
bool IsOf(const Item& item, const SessionUp& build) {
  return item.version == build.version && item.generation == build.generation;
}

}  // namespace

// ---- Suspects
// ------------------------------------------------------------------------------------

void Dispatcher::Impl::Suspect(const std::vector<Item*>& lost, const std::string& report,
                               const SessionUp& session) {
  uint64_t suspected = 0;
  const Item* oldest = nullptr;
  for (auto it = lost.rbegin(); it != lost.rend(); ++it) {
    Item* item = *it;
    Detach(item);
    if (item->call != nullptr) {  // Who calls may call again.
      EndCall(item, {0, 0, CallEnd::Kind::kUnavailable, nullptr, std::nullopt,
                     Failure{kSessionLost, report, ""}});
      continue;
    }
    ++item->lane->stats.redelivered;
    ++suspected;
    oldest = item;
    NoteTried(item, "lost", kSessionLost, report, session);
    if (GivesBack(*item->lane) || Lane::FollowsBack(*item)) {
      ReturnWithFollowers(item);
      continue;
    }
    item->report = report;
    item->lost_with = lost.size();
    AddSuspect(item);
  }
  if (suspected > 0 && !draining) Notify(Notice::Kind::kSuspected, oldest, report, suspected);
}

void Dispatcher::Impl::TakeFromSuspects(Item* item) {
  if (item->state == ItemState::kSuspect) {
    suspects.erase(item->sequence);
  } else {
    std::erase(set_aside, item);
  }
  --item->lane->stats.held;
  item->state = ItemState::kFree;
}

void Dispatcher::Impl::ClearOfEnds(Item* item) {
  if (item == on_trial) {
    ForgetEnds(item);
    item->suspected = false;
    Notify(Notice::Kind::kCleared, item, "");
  } else if (item->ends > 0) {
    ForgetEnds(item);
  }
}

void Dispatcher::Impl::OnTrialLost(Item* item, const SessionLedger& session, DownCause cause,
                                   const std::string& report) {
  Detach(item);
  ++item->lane->stats.redelivered;
  const bool for_circuit = circuit == CircuitState::kTrial && circuit_tries_suspects;
  const bool counts = cause != DownCause::kDrained && !for_circuit;
  if (cause != DownCause::kDrained) {
    NoteTried(item, "lost", kSessionLost, report, session.up());
    // What another build did proves nothing.
    if (!IsOf(*item, session.up())) ForgetEnds(item);
    item->version = session.up().version;
    item->generation = session.up().generation;
    item->report = report;
  }
  if (counts) {
    ++item->ends;
    KeepEnds(*item);
  }
  const bool behind_letter = item->lane->options().parks && Lane::FollowsBack(*item);
  if (GivesBack(*item->lane) || behind_letter) {
    ReturnWithFollowers(item);
    if (for_circuit && !draining) EndCircuitTrial();
    return;
  }
  if (counts && item->control_known) return Convict(item);
  // The stream to a remote plugin can fail for other reasons than the event.
  const bool vague = options.remote && cause == DownCause::kStreamFailed;
  if (counts && vague) item->vague.push_back(session.up().life);
  if (counts && !vague) ++item->proven;
  const uint32_t limit =
      options.remote ? std::max(item->lane->options().retry.max_attempts, options.crash_limit)
                     : options.crash_limit;
  // An end in a trial of the circuit is none of its own: it stays what it was.
  const bool enough = item->ends >= limit || item->proven >= options.crash_limit;
  if (item->aside || (counts && enough)) {
    SetAside(item);
  } else {
    AddSuspect(item);
  }
  if (for_circuit) EndCircuitTrial();
}

void Dispatcher::Impl::ForgetEnds(Item* item) {
  ForgetKnown(*item);
  item->ends = item->proven = 0;
  item->vague.clear();
  item->control_known = item->aside = false;
}

void Dispatcher::Impl::On(InstanceEnded& in) {
  std::vector<Item*> enough;
  const auto prove = [this, &in, &enough](Item* item) {
    if (std::erase(item->vague, in.life) == 0) return;
    // One that is being tried, or owed a reprieve, is judged at the end of its trial.
    const bool judged = item->state == ItemState::kSuspect && !item->control_known;
    if (++item->proven >= options.crash_limit && judged) enough.push_back(item);
  };
  for (const auto& [sequence, item] : suspects) prove(item);
  if (on_trial != nullptr) prove(on_trial);
  for (Item* item : enough) {
    TakeFromSuspects(item);
    SetAside(item);
  }
}

void Dispatcher::Impl::SetAside(Item* item) {
  item->state = ItemState::kSetAside;
  item->aside = true;
  ++item->lane->stats.held;
  set_aside.push_back(item);
  if (item->key != nullptr) item->lane->Unblock(item->key);
  Notify(Notice::Kind::kSetAside, item, item->report);
  if (circuit != CircuitState::kClosed) return;
  if (++asides_since_success >= 2)
    OpenCircuit("two events in a row ended every process that they were given to");
}

void Dispatcher::Impl::Convict(Item* item) {
  Notify(Notice::Kind::kConvicted, item, item->report);
  SettleDead(item, "CRASHED",
             "ended " + std::to_string(item->ends) + " processes of " + options.plugin +
                 " that handled nothing else, while another event was handled well",
             CrashReport(*item));
}

bool Dispatcher::Impl::TrialToCome() const {
  return on_trial != nullptr ||
         std::any_of(suspects.begin(), suspects.end(),
                     [](const auto& entry) { return Lane::MayGo(*entry.second); });
}

void Dispatcher::Impl::GiveUpAside(Lane& lane) {
  if (!lane.ordered() || circuit != CircuitState::kClosed || draining) return;
  const auto first = [this, &lane]() {
    return std::find_if(set_aside.begin(), set_aside.end(), [&lane](const Item* item) {
      return item->lane == &lane && item->key != nullptr;
    });
  };
  const auto jammed = [this, &lane]() {
    return (lane.held_full() || lane.jammed()) && !TrialToCome();
  };
  for (auto it = first(); jammed() && it != set_aside.end(); it = first()) GiveUp(*it);
}

void Dispatcher::Impl::GiveUpAsideForFirst(Lane& lane) {
  if (!lane.first_jammed || circuit != CircuitState::kClosed || draining || TrialToCome()) return;
  for (Item* item : set_aside) {
    if (item->lane != &lane || !item->event.attribute(lane.options().order_by)) continue;
    lane.first_jammed = false;
    return GiveUp(item);
  }
}

void Dispatcher::Impl::GiveUp(Item* aside) {
  SettleDead(aside, "SUSPECTED",
             "ended " + std::to_string(aside->ends) + " processes of " + options.plugin +
                 " that handled nothing else; no other event was handled well since, and no more "
                 "events can be held behind it: mend the plugin and replay it",
             CrashReport(*aside));
}

void Dispatcher::Impl::OnSuccess(const Item& done, const SessionUp& build) {
  if (!crashes.empty()) crashes.clear();
  asides_since_success = 0;
  if (circuit != CircuitState::kClosed) return CloseCircuit(build);
  if (set_aside.empty()) return;
  const std::vector<Item*> aside = set_aside;
  for (Item* item : aside) {
    // One may have gone back, behind another of its key.
    if (item == &done || item->state != ItemState::kSetAside) continue;
    if (IsOf(*item, build)) {
      Convict(item);
    } else {
      SuspectAgain(item);
    }
  }
}

void Dispatcher::Impl::SuspectAgain(Item* item) {
  TakeFromSuspects(item);
  ForgetEnds(item);
  AddSuspect(item);
}

void Dispatcher::Impl::AddSuspect(Item* item) {
  item->state = ItemState::kSuspect;
  item->suspected = true;
  ++item->lane->stats.held;
  suspects.emplace(item->sequence, item);
  if (item->key != nullptr) item->lane->Unblock(item->key);
}

void Dispatcher::Impl::OnBuild(const SessionUp& build) {
  for (const auto& [id, session] : sessions) {
    if (!AreOfOne(session->up(), build)) return;  // The old one is still there.
  }
  const std::vector<Item*> aside = set_aside;
  for (Item* item : aside) {
    if (!IsOf(*item, build)) SuspectAgain(item);
  }
}

// ---- Circuit
// -------------------------------------------------------------------------------------

void Dispatcher::Impl::CountCrash(const std::string& report) {
  crashes.push_back(now);
  while (!crashes.empty() && crashes.front() < now - options.circuit.within) crashes.pop_front();
  if (circuit == CircuitState::kClosed && crashes.size() >= options.circuit.crashes) {
    OpenCircuit(std::to_string(crashes.size()) +
                " crashes without a success between them; the last: " + report);
  }
}

void Dispatcher::Impl::OpenCircuit(std::string why) {
  circuit = CircuitState::kOpen;
  circuit_next = now + options.circuit.trial_after;
  circuit_reason = why;
  Notify(Notice::Kind::kCircuitOpened, nullptr, std::move(why));
  ReturnUnsent(nullptr, false);
}

void Dispatcher::Impl::CloseCircuit(const SessionUp& build) {
  circuit = CircuitState::kClosed;
  circuit_reason.clear();
  circuit_tries_suspects = false;
  Notify(Notice::Kind::kCircuitClosed, nullptr, "");
  // A plugin that was broken and is mended handles them now; a killer ends one more process, and
  // this success is its control, if it was of the build that the killer ended.
  while (!set_aside.empty()) {
    Item* item = set_aside.back();
    if (!IsOf(*item, build)) {
      SuspectAgain(item);
      continue;
    }
    TakeFromSuspects(item);
    item->control_known = true;
    item->aside = false;
    AddSuspect(item);
  }
  // Processes from before the control may be of a build that is mended by now.
  for (auto& [id, session] : sessions) {
    if (session->up().quarantine) DrainSession(*session, "a fresh process is to try suspects");
  }
}

void Dispatcher::Impl::StartCircuitTrial() {
  circuit = CircuitState::kTrial;
  circuit_next = now + kSeekEvent;
  circuit_tries_suspects = false;
  Unreserve();  // An event that is no suspect comes first, and needs a session.
  Notify(Notice::Kind::kCircuitTrial, nullptr, "");
}

void Dispatcher::Impl::EndCircuitTrial() {
  circuit = CircuitState::kOpen;
  circuit_next = now + options.circuit.trial_after;
  circuit_tries_suspects = false;
  ReturnUnsent(nullptr, false);
}

// ---- What is tried, and when
// ---------------------------------------------------------------------

void Dispatcher::Impl::PumpTrials() {
  if (circuit == CircuitState::kOpen && now >= circuit_next) StartCircuitTrial();
  if (circuit == CircuitState::kTrial) PumpCircuitTrial();
  if (circuit == CircuitState::kClosed) PumpQuarantine();
}

void Dispatcher::Impl::PumpQuarantine() {
  if (on_trial != nullptr) return;
  if (suspects.empty()) return Unreserve();
  std::vector<SessionLedger*> free(lanes_of.size());
  bool any = false;
  for (ComponentId c = 0; c < free.size(); ++c) {
    free[c] = TrialSession(c);
    any = any || free[c] != nullptr;
  }
  if (!any) return;
  for (auto& [sequence, item] : suspects) {
    SessionLedger* session = free[item->lane->options().component];
    if (session == nullptr || !Lane::MayGo(*item)) continue;
    return SendTrial(item, *session);
  }
}

void Dispatcher::Impl::SendTrial(Item* item, SessionLedger& session) {
  TakeFromSuspects(item);
  item->last_trial = ++trials;
  SendAlone(item, session);
  on_trial = item;
}

SessionLedger* Dispatcher::Impl::TrialSession(ComponentId component) {
  // A suspect behind an older event of its key needs that one to go first, on a normal session.
  const bool wanted = std::any_of(suspects.begin(), suspects.end(), [component](const auto& entry) {
    return entry.second->lane->options().component == component && Lane::MayGo(*entry.second);
  });
  if (!wanted && !circuit_tries_suspects) {
    for (auto& [id, session] : sessions) {
      if (session->up().component == component) session->reserved = false;
    }
    return nullptr;
  }
  // An expired trial that is still owed could end the process under the next one.
  for (auto& [id, session] : sessions) {
    if ((session->up().quarantine || session->reserved) && session->unanswered() > 0)
      return nullptr;
  }
  SessionLedger* emptiest = nullptr;
  for (auto& [id, session] : sessions) {
    if (session->up().component != component || session->draining || session->broken ||
        session->doubt_until > now || session->paused())
      continue;
    if (session->up().quarantine || session->reserved) return session.get();
    if (emptiest == nullptr || session->unanswered() < emptiest->unanswered())
      emptiest = session.get();
  }
  if (!options.remote || emptiest == nullptr) return nullptr;
  emptiest->reserved = true;
  return emptiest->unanswered() == 0 ? emptiest : nullptr;
}

void Dispatcher::Impl::Unreserve() {
  for (auto& [id, session] : sessions)
    session->reserved = on_trial != nullptr && on_trial->session == id;
}

void Dispatcher::Impl::PumpCircuitTrial() {
  if (circuit_event != nullptr || on_trial != nullptr) return;
  if (TryEvent()) return;
  if (!circuit_tries_suspects && SuspectsLeft() && now >= circuit_next)
    circuit_tries_suspects = true;
  if (circuit_tries_suspects) TrySuspect();
}

bool Dispatcher::Impl::TryEvent() {
  Item* oldest = nullptr;
  SessionLedger* where = nullptr;
  for (auto& lane : lanes) {
    for (auto& [id, session] : sessions) {
      if (!lane->has_ready() || lane->stats.stopped) break;
      if (oldest != nullptr && oldest->sequence <= lane->front()->sequence) break;
      const bool usable = session->up().component == lane->options().component &&
                          !session->up().quarantine && !session->draining && !session->broken &&
                          session->Room(now) > 0;
      if (!usable || !session->FitsBytes(lane->front()->bytes)) continue;
      if (SettleUnfit(*lane, *session)) continue;  // The next one waits for the next trial.
      oldest = lane->front();
      where = session.get();
    }
  }
  if (oldest == nullptr) return false;
  circuit_tries_suspects = false;
  oldest->lane->PopFront();
  SendAlone(oldest, *where);
  circuit_event = oldest;
  return true;
}

Item* Dispatcher::Impl::LeastTriedSuspect() {
  Item* best = nullptr;
  const auto consider = [&best](Item* item) {
    if (!Lane::MayGo(*item)) return;
    const auto rank = [](const Item* i) { return std::pair(i->ends, i->last_trial); };
    if (best == nullptr || rank(item) < rank(best)) best = item;
  };
  for (auto& [sequence, item] : suspects) consider(item);
  for (Item* item : set_aside) consider(item);
  return best;
}

void Dispatcher::Impl::TrySuspect() {
  Item* item = LeastTriedSuspect();
  if (item == nullptr) return;
  SessionLedger* session = TrialSession(item->lane->options().component);
  if (session != nullptr) SendTrial(item, *session);
}

bool Dispatcher::Impl::WantsQuarantine() const {
  if (options.remote || draining) return false;
  if (on_trial != nullptr) return true;
  if (circuit == CircuitState::kClosed) return !suspects.empty();
  return circuit == CircuitState::kTrial && circuit_tries_suspects;
}

}  // namespace outboard::lane
