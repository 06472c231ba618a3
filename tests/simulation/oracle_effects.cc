#include <algorithm>

#include "tests/simulation/oracle.h"

// What effects other than settlements and frames must keep to.
namespace outboard::simulation {

using lane::CircuitState;

void Oracle::OnStep(const lane::Effects& effects, const lane::Dispatcher& dispatcher, Time now) {
  for (LaneState& lane : lanes_) lane.probing_now = dispatcher.stats(lane.options->id).probing;
  for (const lane::CancelDeliveries& cancel : effects.cancels) Cancel(cancel, effects, now);
  ResolveLies(effects);
  ResolveCharges(now);
  CountRuns();
  for (const bus::Settlement& settlement : effects.settlements) Settle(settlement, now);
  CheckActedOn();
  CheckSuspects(dispatcher);
  CheckKnown(effects);
  CheckCircuit(dispatcher, now);
  for (const lane::ReplaceInstance& replace : effects.replaces) Replace(replace, now);
  for (const lane::SendFrame& frame : effects.frames) Frame(frame, now);
  for (const lane::CloseSession& close : effects.closes) Close(close);
  CheckCredit(effects, dispatcher);
  Notices(effects);
  if (failed()) return;
  for (LaneState& lane : lanes_) CheckLane(&lane, dispatcher.stats(lane.options->id), now);
  if (timer_) CheckTimers(now);
  CheckDrain(effects, now);
  CheckQuarantineWish(effects);
  CheckBusy(dispatcher);
  CheckViews(dispatcher);
}

// ---- Deadlines
// ----------------------------------------------------------------------------------------

Time Oracle::DeadlineOf(const Sent& sent) const {
  if (sent.turn == kNever) return kNever;
  const Time renewed =
      std::min(sent.progress + options_.time_limit, sent.turn + options_.progress_cap);
  return std::max(sent.turn + options_.time_limit, renewed);
}

void Oracle::Cancel(const lane::CancelDeliveries& cancel, const lane::Effects& effects, Time now) {
  coverage_->Saw(Cover::kCancel, cancel.ids.size());
  Session* session = SessionOf(cancel.session);
  if (session == nullptr || session->down)
    return Fail("deadline", "cancel on a session that is not up");
  for (uint64_t id : cancel.ids) {
    if (id == 0 || id > session->sent.size())
      return Fail("deadline", "cancel of an id that was never sent");
    Sent& sent = session->sent[id - 1];
    Item& item = At(sent);
    if (sent.state != Sent::State::kOpen)
      return Fail("deadline", "cancel of " + Name(item) + ", which is answered or expired");
    if (draining_ && now >= drain_deadline_) {
      const auto returned = [&](const bus::Settlement& s) {
        return s.tag == item.tag && s.end == bus::End::kReturned;
      };
      if (std::any_of(effects.settlements.begin(), effects.settlements.end(), returned)) continue;
    }
    const Time deadline = DeadlineOf(sent);
    if (deadline == kNever) return Fail("deadline", Name(item) + " expired before its turn came");
    if (now < deadline) return Fail("deadline", Name(item) + " expired too early");
    if (now > sent.turn + options_.time_limit && sent.progress > sent.turn)
      coverage_->Saw(Cover::kProgressRenewed);
    if (item.suspect) {
      coverage_->Saw(Cover::kSuspectDeadline);
      Clear(&item);
    } else {
      item.ForgetEnds();
    }
    Expire(session, &sent);
    sent.expired = now;
    Land(&item);
    item.fact = Fact::kDeadline;
    item.reason = "DEADLINE";
    item.retry_after.reset();
    item.emits.clear();
    facts_.push_back(&item);
    LaneState& lane = LaneOf(item);
    lane.step_fails.push_back(item.index);
    lane.last_failure = now;
    FailKey(session, item, id, false);
  }
}

void Oracle::Expire(Session* session, Sent* sent) {
  sent->state = Sent::State::kExpired;
  if (--session->frames[sent->frame] == 0) --session->open_frames;
  if (Key* key = KeyOf(At(*sent))) ++key->owed;
}

void Oracle::Replace(const lane::ReplaceInstance& replace, Time now) {
  coverage_->Saw(replace.at_once ? Cover::kReplaceAtOnce : Cover::kReplaceDrain);
  Session* session = SessionOf(replace.session);
  if (session == nullptr || session->down)
    return Fail("stuck", "replaces an instance whose session is not up");
  if (session->replaced) return Fail("stuck", "replaces an instance a second time");
  session->replaced = true;
  bool fits = false;
  for (uint32_t at : session->open) {
    const Sent& sent = session->sent[at];
    if (sent.state != Sent::State::kExpired || now < sent.expired + options_.time_limit) continue;
    fits |= replace.at_once ? session->activity <= sent.expired
                            : session->perhaps_activity >= sent.expired;
  }
  if (!fits)
    Fail("stuck", std::string("replaces an instance ") +
                      (replace.at_once ? "at once" : "after a drain") + " without cause");
}

void Oracle::Close(const lane::CloseSession& close) {
  coverage_->Saw(close.cause == lane::CloseCause::kDrain ? Cover::kCloseDrain
                                                         : Cover::kCloseProtocol);
  Session* session = SessionOf(close.session);
  if (session == nullptr || session->down)
    return Fail("sessions", "closes a session that is not up");
  if (close.cause == lane::CloseCause::kProtocolError && !session->broken) {
    return Fail("sessions", "closes a session for a protocol error that it did not make");
  }
  // When the circuit closes, suspects are tried on new processes.
  const bool fresh = session->up.quarantine && step_closed_;
  if (close.cause == lane::CloseCause::kDrain && !draining_ && !session->draining &&
      !session->replaced && !fresh) {
    return Fail("sessions", "closes a session for a drain that nobody asked for");
  }
  session->closed = true;
}

// ---- What is charged
// ----------------------------------------------------------------------------------

// A DONE in a lying frame counted if it was settled in the same step.
void Oracle::ResolveLies(const lane::Effects& effects) {
  for (Item* item : maybe_done_) {
    const auto done = [item](const bus::Settlement& s) {
      return s.tag == item->tag && s.end == bus::End::kDone;
    };
    if (item->where != Where::kFlying ||
        std::none_of(effects.settlements.begin(), effects.settlements.end(), done))
      continue;
    Session* session = SessionOf(item->session);
    lane::Answer answer;
    answer.delivery_id = item->id;
    answer.verdict = lane::Verdict::kDone;
    TakeAnswer(session, answer, Time{});
  }
}

void Oracle::ResolveCharges(Time now) {
  for (Item* item : facts_) {
    if (item->fact == Fact::kDone || item->fact == Fact::kReject) continue;
    if (item->fact == Fact::kRelease && !item->counted_release) continue;
    const LaneState& lane = LaneOf(*item);
    bool least = item->fact != Fact::kRelease || item->must_count, most = true;
    if (lane.probing || lane.probing_now) {
      coverage_->Saw(Cover::kProbeRetry);
      const bool beyond =
          lane.probing && now > lane.probing_since + lane.options->retry.probe_limit;
      const bool within =
          lane.probing && now < lane.probing_since + lane.options->retry.probe_limit;
      if (lane.probing && lane.probing_now && !lane.step_answered && within) most = false;
      if (!beyond) least = false;
      if (beyond) coverage_->Saw(Cover::kProbeCharged);
    }
    // Within a frame of many answers an outage may begin and end.
    if (lane.step_answered && lane.may_run.size() + lane.step_fails.size() >= options_.probe_after)
      least = false;
    item->charged.lo += least;
    item->charged.hi += most;
    if (item->fact == Fact::kRelease && !item->must_count) {
      item->not_before = std::min(item->not_before, now + LeastDelay(*item, item->charged.lo + 1));
      continue;
    }
    item->not_before =
        lane.probing || lane.probing_now ? now : now + LeastDelay(*item, item->charged.lo);
    item->ready_from = item->not_before;
  }
}

// The runs of failing outcomes; where a step also has others, they may count as the first or as the
// last of it.
void Oracle::CountRuns() {
  for (LaneState& lane : lanes_) {
    if (lane.step_answered) lane.may_run.clear();
    lane.may_run.insert(lane.may_run.end(), lane.step_fails.begin(), lane.step_fails.end());
    if (lane.step_answered || lane.step_released) {
      lane.must_run.clear();
    } else {
      lane.must_run.insert(lane.must_run.end(), lane.step_fails.begin(), lane.step_fails.end());
    }
  }
}

// ---- Credit, notices
// ----------------------------------------------------------------------------------

void Oracle::CheckCredit(const lane::Effects& effects, const lane::Dispatcher& dispatcher) {
  for (const lane::SetCredit& credit : effects.credits) {
    coverage_->Saw(Cover::kCredit);
    const uint32_t number = bus_.LaneOf(credit.lane);
    LaneState& lane = lanes_[number];
    const bool more = credit.more > lane.credit;
    lane.credit = credit.more;
    if (!more) continue;
    const auto usable = [&](const Session& s) {
      return s.up.component == lane.options->component && Usable(s);
    };
    if (std::none_of(sessions_.begin(), sessions_.end(), usable))
      return Fail("credit", "new credit without a usable session");
    if (Rests(lane)) return Fail("credit", "new credit in a drain or a pause");
    if (circuit_ == CircuitState::kOpen) return Fail("credit", "new credit with the circuit open");
    if (lane.bytes >= options_.lane_bytes)
      return Fail("credit", "new credit at the bound of bytes");
    const lane::LaneStats& stats = dispatcher.stats(credit.lane);
    if (!lane.options->order_by.empty() && stats.parked + stats.held >= options_.lane_held)
      return Fail("credit", "new credit at the bound of held events");
  }
  for (LaneState& lane : lanes_) {
    if (lane.bytes >= options_.lane_bytes) coverage_->Saw(Cover::kLaneBytes);
    const std::string name = "lane " + std::to_string(&lane - lanes_.data());
    if (lane.out.size() + lane.credit > options_.lane_deliveries)
      return Fail("credit", name + " holds, with its credit, more than its bound");
    if (circuit_ == CircuitState::kOpen && lane.credit > 0)
      return Fail("credit", name + " has credit with the circuit open");
    if (circuit_ == CircuitState::kTrial && lane.credit > 1)
      return Fail("credit", name + " has credit for more than one in a trial");
    if (Rests(lane) && lane.credit > 0)
      return Fail("credit", name + " has credit in a drain or a pause");
    if (lane.probing_now && lane.credit > 1)
      return Fail("probing", name + " has credit for more than one while it probes");
  }
}

void Oracle::Notices(const lane::Effects& effects) {
  for (const lane::Notice& notice : effects.notices) {
    coverage_->Saw(static_cast<Cover>(static_cast<int>(Cover::kNoticeSuspected) +
                                      static_cast<int>(notice.kind)));
  }
  if (effects.wants_quarantine) coverage_->Saw(Cover::kWantsQuarantine);
  if (effects.drained) coverage_->Saw(Cover::kDrained);
}

}  // namespace outboard::simulation
