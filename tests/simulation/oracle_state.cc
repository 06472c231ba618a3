#include <algorithm>
#include <utility>

#include "tests/simulation/oracle.h"
#include "tests/simulation/samples.h"

// What must hold after every step.
namespace outboard::simulation {

using lane::CircuitState;

// ---- Suspects, circuit
// --------------------------------------------------------------------------------

void Oracle::CheckSuspects(const lane::Dispatcher& dispatcher) {
  const std::vector<lane::SuspectView> views = dispatcher.suspects();
  for (const lane::SuspectView& view : views) {  // The first of its key.
    Item* item = ItemAt(bus_.LaneOf(view.lane), static_cast<uint32_t>(SampleIndex(view.event_id)));
    if (item == nullptr || item->suspect || item->recalled_step != step_) continue;
    item->suspect = true;
    ++suspect_count_;
  }
  if (views.size() != suspect_count_) {
    return Fail("suspects",
                std::to_string(views.size()) + " suspects, not " + std::to_string(suspect_count_));
  }
  for (const lane::SuspectView& view : views) {
    const uint32_t number = bus_.LaneOf(view.lane);
    Item* item = ItemAt(number, static_cast<uint32_t>(SampleIndex(view.event_id)));
    if (item == nullptr || !item->suspect)
      return Fail("suspects", view.event_id + " is no suspect");
    if (item->may_reset && view.ends == 0 && (item->aside || !item->ends.Has(0)))
      item->ForgetEnds();
    if (!item->ends.Has(view.ends)) {
      return Fail("suspects", Name(*item) + " has " + std::to_string(view.ends) + " ends, not " +
                                  std::to_string(item->ends.lo) + ".." +
                                  std::to_string(item->ends.hi));
    }
    item->ends = {view.ends, view.ends};
    const bool over = view.ends >= options_.crash_limit;
    const bool proven = item->proven >= options_.crash_limit;
    const bool few = options_.remote && view.ends < LaneOf(*item).options->retry.max_attempts;
    const bool later = (few && !proven) || (proven && item->judged_later);
    const bool may_be_tried = later || item->reprievable || circuit_ != CircuitState::kClosed;
    if (view.set_aside ? !over || (later && !item->reprievable) : over && !may_be_tried)
      return Fail("suspects", Name(*item) + " set aside: " + std::to_string(view.set_aside));
    const bool newly =
        view.set_aside && !item->seen_aside && (!item->tried_in_trial || !item->aside);
    item->seen_aside = view.set_aside;
    if (!newly) continue;
    if (!item->ended_here)
      return Fail("suspects", Name(*item) + " is set aside for what it did in another life");
    if (few) coverage_->Saw(Cover::kAsideByInstance);
    item->aside = true;
    item->reprievable = false;
    item->aside_step = step_;
    if (++asides_ < 2) continue;
    // A second one without a success in between: none of them is convicted without a reprieve.
    for (LaneState& lane : lanes_) {
      for (uint32_t index : lane.out) {
        Item& other = lane.items[index];
        if (other.aside && other.aside_step > last_success_) other.bad_deploy = true;
      }
    }
  }
}

// The ends of an event outlive the host as long as no answer cleared it, and no longer.
void Oracle::CheckKnown(const lane::Effects& effects) {
  if (effects.known) {
    known_.clear();
    for (const lane::KnownSuspect& one : *effects.known) known_[one.name] = one;
  }
  for (const LaneState& lane : lanes_) {
    for (uint32_t index : lane.out) {
      const Item& item = lane.items[index];
      if (known_.empty() && item.ends.Has(0)) continue;
      const auto found = known_.find(item.name);
      const uint32_t ends = found == known_.end() ? 0 : found->second.ends;
      const bool ended = item.where == Where::kSettling && item.end != bus::End::kReturned;
      const bool kept = item.where == Where::kHeld || item.where == Where::kFlying ||
                        (item.where == Where::kSettling && !ended);
      if (ended ? ends != 0 : kept && !item.ends.Has(ends))
        return Fail("known", Name(item) + " is kept with " + std::to_string(ends) + " ends, not " +
                                 std::to_string(ended ? 0 : item.ends.lo));
    }
  }
}

void Oracle::CheckCircuit(const lane::Dispatcher& dispatcher, Time now) {
  const CircuitState before = circuit_, after = dispatcher.circuit();
  uint32_t may = 0, must = 0, aside = 0;
  for (const auto& [at, certain] : losses_) {
    may += now - at <= options_.circuit.within;
    must += certain && now - at < options_.circuit.within;
  }
  for (const LaneState& lane : lanes_) {
    for (uint32_t index : lane.out)
      aside += lane.items[index].aside && lane.items[index].aside_step > last_success_;
  }
  circuit_ = after;
  step_closed_ = before != after && after == CircuitState::kClosed;
  if (after != CircuitState::kClosed) {
    for (LaneState& lane : lanes_) {
      for (uint32_t index : lane.out) lane.items[index].reprievable |= lane.items[index].aside;
    }
  }
  if (after == CircuitState::kOpen && before != after) circuit_since_ = now;
  if (after == CircuitState::kTrial && before != after) {
    trial_sent_ = 0;
    trial_item_ = {~0u, 0};
  }
  if (before == CircuitState::kClosed && after == CircuitState::kTrial)
    Fail("circuit", "trial of a closed circuit");
  if (before == CircuitState::kClosed && after == CircuitState::kOpen) {
    if (asides_ >= 2) {
      coverage_->Saw(Cover::kOpenByAside);
    } else if (may >= options_.circuit.crashes) {
      coverage_->Saw(Cover::kOpenByBudget);
    } else {
      Fail("circuit", "opened without cause");
    }
  }
  if (after == CircuitState::kClosed && before == after && !draining_) {
    if (must >= options_.circuit.crashes && step_loss_)
      Fail("circuit", "closed after " + std::to_string(must) + " crashes without a success");
    if (aside >= 2) Fail("circuit", "closed with two set aside without a success between them");
  }
  if (before == CircuitState::kOpen && after == CircuitState::kTrial &&
      now < circuit_since_ + options_.circuit.trial_after) {
    Fail("circuit", "trial too early");
  }
  if (before == CircuitState::kTrial && after == CircuitState::kOpen && step_loss_)
    coverage_->Saw(Cover::kTrialCrash);
  if (before != CircuitState::kClosed && after == CircuitState::kClosed && !step_success_)
    Fail("circuit", "closed without a success");
  if (before == CircuitState::kTrial && after != CircuitState::kClosed && step_trial_done_)
    Fail("circuit", "not closed by the success of its trial");
}

void Oracle::CheckQuarantineWish(const lane::Effects& effects) {
  const bool wants = effects.wants_quarantine;
  if (wants && options_.remote)
    return Fail("quarantine", "a remote plugin has no quarantine instances");
  if (wants && suspect_count_ == 0)
    return Fail("quarantine", "a quarantine instance is wanted without suspects");
  bool trying = false;
  for (const LaneState& lane : lanes_) {
    for (uint32_t index : lane.out)
      trying |= lane.items[index].suspect && lane.items[index].where == Where::kFlying;
  }
  if (wants && !trying && circuit_ == CircuitState::kOpen)
    return Fail("quarantine", "a quarantine instance is wanted with the circuit open");
  if (wants || draining_ || options_.remote || suspect_count_ == 0 ||
      circuit_ != CircuitState::kClosed)
    return;
  for (const LaneState& lane : lanes_) {
    for (uint32_t index : lane.out) {
      const Item& item = lane.items[index];
      if (!item.suspect || item.aside) continue;
      const auto blocks = [&](uint32_t i) {
        return lane.items[i].aside && lane.items[i].key == item.key && Keyed(item);
      };
      if (std::none_of(lane.out.begin(), lane.out.end(), blocks))
        return Fail("quarantine", "no quarantine instance is wanted for " + Name(item));
    }
  }
}

// ---- Lanes
// --------------------------------------------------------------------------------------------

// What an answer or a deadline asks for is done in the same step.
void Oracle::CheckActedOn() {
  for (const Item* item : facts_) {
    if (item->where == Where::kSettling) continue;
    const bool failure = item->fact == Fact::kRetry || item->fact == Fact::kDeadline ||
                         (item->fact == Fact::kRelease && item->must_count);
    if (item->fact == Fact::kDone || item->fact == Fact::kReject)
      return Fail("answers", Name(*item) + " is answered and not settled");
    if (Rests(LaneOf(*item)))
      return Fail("drain", Name(*item) + " failed in a drain or a pause and is kept");
    if (failure && !Keyed(*item))
      return Fail("answers", Name(*item) + " failed and is kept, though it has no key");
    if (failure && item->charged.lo >= LaneOf(*item).options->retry.max_attempts)
      return Fail("attempts", Name(*item) + " is kept after its last attempt");
  }
}

void Oracle::CheckLane(LaneState* lane, const lane::LaneStats& stats, Time now) {
  CheckProbing(lane, stats.probing, now);
  const std::string name = "lane " + std::to_string(lane - lanes_.data());
  const uint64_t now_held =
      stats.ready + stats.parked + stats.held + stats.in_flight + stats.settling;
  if (now_held != lane->out.size()) {
    return Fail("conserved", name + " says it has " + std::to_string(now_held) +
                                 " deliveries, not " + std::to_string(lane->out.size()));
  }
  if (std::exchange(lane->stopping, false)) lane->stopped = true;
  if (stats.stopped != lane->stopped || stats.stops != lane->stops)
    return Fail("stop", name + " is stopped " + std::to_string(stats.stops) + " times, not " +
                            std::to_string(lane->stops));
  if (stats.received != lane->received)
    return Fail("conserved", name + " received " + std::to_string(lane->received) + ", not " +
                                 std::to_string(stats.received));
  uint64_t flying = 0;
  for (uint32_t index : lane->out) flying += lane->items[index].where == Where::kFlying;
  if (stats.in_flight != flying)
    return Fail("conserved", name + " says " + std::to_string(stats.in_flight) +
                                 " in flight, not " + std::to_string(flying));
  lane->at_held =
      !lane->options->order_by.empty() && stats.parked + stats.held >= options_.lane_held;
  if (lane->at_held) coverage_->Saw(Cover::kLaneHeld);
}

void Oracle::CheckProbing(LaneState* lane, bool probing, Time now) {
  const auto events = [](const std::vector<uint32_t>& run, size_t last) {
    std::vector<uint32_t> ids(run.end() - static_cast<std::ptrdiff_t>(std::min(last, run.size())),
                              run.end());
    std::sort(ids.begin(), ids.end());
    return static_cast<uint32_t>(std::unique(ids.begin(), ids.end()) - ids.begin());
  };
  if (probing && !lane->probing) {
    lane->probing_since = now;
    lane->probing_step = step_;
    if (lane->may_run.size() < options_.probe_after ||
        events(lane->may_run, lane->may_run.size()) < options_.probe_events) {
      Fail("probing", "begins after too few failures");
    }
  }
  if (!probing && lane->probing && !lane->step_answered)
    Fail("probing", "ends without an answer other than RETRY");
  if (!probing && !draining_ && lane->must_run.size() >= options_.probe_after &&
      events(lane->must_run, options_.probe_after) >= options_.probe_events) {
    Fail("probing", "does not begin after a run of failures");
  }
  lane->probing = probing;
}

// ---- Timers, drain, views
// -----------------------------------------------------------------------------

void Oracle::CheckTimers(Time now) {
  for (const Session& session : sessions_) {
    if (session.down || session.broken) continue;
    for (uint32_t at : session.open) {
      const Sent& sent = session.sent[at];
      if (sent.state == Sent::State::kOpen && DeadlineOf(sent) <= now)
        return Fail("deadline", Name(At(sent)) + " is past its deadline");
      if (sent.state == Sent::State::kExpired && !sent.gone &&
          sent.expired + options_.time_limit <= now && !session.replaced && !session.draining &&
          !draining_) {
        return Fail("stuck",
                    "session " + std::to_string(session.up.session) + " is stuck and not replaced");
      }
    }
  }
}

void Oracle::CheckDrain(const lane::Effects& effects, Time now) {
  const bool empty = outstanding() == 0;
  if (effects.drained != (draining_ && empty))
    return Fail("drain", effects.drained ? "drained too early" : "drained and does not say so");
  for (const LaneState& lane : lanes_) {
    if (!Rests(lane)) continue;
    for (uint32_t index : lane.out) {
      const Item& item = lane.items[index];
      if (item.where == Where::kHeld)
        return Fail("drain", Name(item) + " is kept in a drain or a pause");
      if (draining_ && item.where == Where::kFlying && timer_ && now >= drain_deadline_)
        return Fail("drain", Name(item) + " flies after the drain's deadline");
    }
  }
}

// An empty, usable session and ready events do not go together.
void Oracle::CheckBusy(const lane::Dispatcher& dispatcher) {
  if (draining_) return;
  for (uint32_t component = 0; component < options_.components.size(); ++component) {
    uint64_t ready = 0;
    bool probing = false, idle = false, usable = false, closed_window = false;
    for (const LaneState& lane : lanes_) {
      if (lane.options->component != component) continue;
      ready += dispatcher.stats(lane.options->id).ready;
      probing |= lane.probing;
    }
    for (const Session& session : sessions_) {
      if (session.up.component != component || session.down) continue;
      usable |= Usable(session);
      idle |= Usable(session) && session.open.empty();
      closed_window |= session.window == 0u;
    }
    if (ready > 0 && closed_window) coverage_->Saw(Cover::kWindowZero);
    if (circuit_ != CircuitState::kClosed || probing || (options_.remote && suspect_count_ > 0))
      continue;
    if (idle && ready > 0)
      return Fail("busy", std::to_string(ready) + " ready while a session is empty");
    for (const LaneState& lane : lanes_) {
      if (lane.options->component == component && usable && lane.out.empty() && lane.credit == 0 &&
          !Rests(lane))
        return Fail("busy", "an empty lane with a usable session takes nothing");
    }
  }
}

void Oracle::CheckViews(const lane::Dispatcher& dispatcher) {
  if (dispatcher.protocol_errors() != protocol_errors_)
    return Fail("views", "protocol errors " + std::to_string(dispatcher.protocol_errors()));
  const uint64_t late = dispatcher.late_answers();
  if (late < late_lo_ || late > late_hi_) {
    return Fail("views", "late answers " + std::to_string(late) + ", not " +
                             std::to_string(late_lo_) + ".." + std::to_string(late_hi_));
  }
  if (dispatcher.draining() != draining_) return Fail("views", "draining");
  if (step_ % 16 != 0) return;
  size_t up = 0;
  for (const Session& session : sessions_) up += !session.down;
  const std::vector<lane::SessionView> views = dispatcher.sessions();
  if (views.size() != up)
    return Fail("views", std::to_string(views.size()) + " sessions, not " + std::to_string(up));
  for (const lane::SessionView& view : views) {
    const Session* session = SessionOf(view.session);
    if (session == nullptr || session->down)
      return Fail("views", "session " + std::to_string(view.session) + " is not up");
    size_t flying = 0;
    for (uint32_t at : session->open) flying += session->sent[at].state == Sent::State::kOpen;
    if (view.in_flight != session->open.size() && view.in_flight != flying)
      return Fail("views", "session in flight " + std::to_string(view.in_flight));
  }
}

}  // namespace outboard::simulation
