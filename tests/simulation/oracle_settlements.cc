#include <algorithm>
#include <cmath>

#include "host/event/wire.h"
#include "tests/simulation/oracle.h"
#include "tests/simulation/samples.h"

// What settlements must keep to: each delivery ends once, for a cause that the oracle knows.
namespace outboard::simulation {

using bus::End;
using lane::CircuitState;

void Oracle::Settle(const bus::Settlement& s, Time now) {
  Item* item = Find(s.lane, s.tag);
  if (item == nullptr)
    return Fail("one settle", "settles tag " + std::to_string(s.tag) + ", which is not out");
  if (item->where == Where::kSettling)
    return Fail("one settle", "settles " + Name(*item) + " a second time");
  if (s.end == End::kDead && s.dead == nullptr)
    return Fail("cause", "dead letter without a reason");
  if (s.end != End::kDone && !s.emits.empty()) return Fail("emits", "emits without DONE");
  if (item->where == Where::kFailed) return SettleAgain(item, s, now);
  if (item->where == Where::kFlying) {
    if (s.end != End::kReturned || !draining_ || now < drain_deadline_) {
      return Fail("cause", "settles " + Name(*item) + ", which is in flight, end " +
                               std::to_string(static_cast<int>(s.end)));
    }
    coverage_->Saw(Cover::kDrainDeadline);
    Session* session = SessionOf(item->session);
    Sent& sent = session->sent[item->id - 1];
    sent.gone = true;
    sent.expired = now;
    Expire(session, &sent);
    Land(item);
  }
  switch (s.end) {
    case End::kDone: CheckDone(item, s); break;
    case End::kDead: CheckDead(item, s); break;
    case End::kRetry: CheckRetry(item, s, now); break;
    case End::kReturned: CheckReturned(item, s, now); break;
    case End::kDropped: Fail("cause", "a worker's lane drops nothing"); break;
  }
  if (Key* key = KeyOf(*item); key != nullptr && s.end == End::kDead) key->died_at = tags_.size();
  if (s.end == End::kDead) StopBy(*item, s.dead->reason);
  item->where = Where::kSettling;
  item->end = s.end;
  item->cookie = s.cookie;
  item->fact = Fact::kNone;
  if (item->suspect) {
    --suspect_count_;
    item->suspect = item->aside = false;
  }
}

// From the settlement on; one that is too large shows while frames are made.
void Oracle::StopBy(const Item& item, const std::string& reason) {
  LaneState& lane = LaneOf(item);
  if (!lane.options->stops) return;
  ++lane.stops;
  if (lane.paused) coverage_->Saw(Cover::kStopPaused);
  if (std::any_of(lane.out.begin(), lane.out.end(),
                  [&](uint32_t index) { return lane.items[index].where == Where::kFlying; })) {
    coverage_->Saw(Cover::kStopInFlight);
  }
  (reason == "TOO_LARGE" ? lane.stopping : lane.stopped) = true;
}

void Oracle::SettleAgain(Item* item, const bus::Settlement& s, Time now) {
  if (item->refused) {
    if (s.end != End::kDead || s.dead->reason != "EMIT_REFUSED")
      return Fail("emits", "refused emits of " + Name(*item) + " must make a dead letter");
    coverage_->Saw(Cover::kDeadEmitsBus);
    if (Key* key = KeyOf(*item)) {
      key->finished = 0;
      key->died_at = tags_.size();
    }
    StopBy(*item, s.dead->reason);
  } else {
    if (s.end != item->end)
      return Fail("one settle", "another end for " + Name(*item) + " after the bus failed");
    if (now < item->settle_not_before && !draining_)
      return Fail("settle retry", "settles " + Name(*item) + " again without waiting");
  }
  if (s.end == End::kRetry || s.end == End::kDead) Narrow(item, s.attempts, "settlement");
  if (s.end == End::kDone && !EmitsFit(*item, &s))
    return Fail("emits", "other emits for " + Name(*item) + " after the bus failed");
  item->where = Where::kSettling;
  item->end = s.end;
  item->cookie = s.cookie;
}

void Oracle::Narrow(Item* item, uint32_t attempts, const char* where) {
  if (!item->charged.Has(attempts)) {
    Fail("attempts", std::string(where) + " of " + Name(*item) + " says " +
                         std::to_string(attempts) + " attempts, not " +
                         std::to_string(item->charged.lo) + ".." +
                         std::to_string(item->charged.hi));
  }
  item->charged = {attempts, attempts};
}

// Whether all emits may be published; with `s`, whether these are they.
bool Oracle::EmitsFit(const Item& item, const bus::Settlement* s) const {
  if (s != nullptr && s->emits.size() != item.emits.size()) return false;
  const Event& parent = bus_.events(item.lane)[item.index].event;
  const std::string& component = options_.components[LaneOf(item).options->component];
  for (uint32_t i = 0; i < item.emits.size(); ++i) {
    const auto whole = MakeEmit(parent, component, i, item.emits[i], options_.event_limits);
    if (!whole.ok() || whole->type() != kDeclaredEmit) return false;
    if (s != nullptr && s->emits[i].bytes() != whole->bytes()) return false;
  }
  return true;
}

void Oracle::CheckDone(Item* item, const bus::Settlement& s) {
  coverage_->Saw(Cover::kEndDone);
  if (item->fact != Fact::kDone)
    return Fail("cause", Name(*item) + " is settled as done, but nobody said DONE");
  if (!EmitsFit(*item, &s))
    Fail("emits", "not the emits of " + Name(*item) + ", whole and with derived ids");
}

void Oracle::CheckDead(Item* item, const bus::Settlement& s) {
  coverage_->Saw(Cover::kEndDead);
  const std::string& reason = s.dead->reason;
  Narrow(item, s.attempts, "dead letter");
  if (reason == "CRASHED") return CheckConviction(item, s);
  if (reason == "SUSPECTED") {
    // Not proven, but too many wait behind it.
    const LaneState& lane = LaneOf(*item);
    const size_t most = std::min<size_t>(options_.lane_held, options_.lane_deliveries);
    const bool full = lane.out.size() >= most || lane.bytes >= options_.lane_bytes;
    if (!item->suspect || item->ends.hi < options_.crash_limit || !Keyed(*item) || !full)
      Fail("cause", Name(*item) + " is given up as a suspect without need");
    if (!item->aside) ++asides_;  // Set aside and given up in one step.
    return coverage_->Saw(Cover::kDeadSuspected);
  }
  if (item->suspect) return Fail("cause", Name(*item) + " is a suspect and dead of " + reason);
  if (reason == "TOO_LARGE") {
    coverage_->Saw(Cover::kDeadTooLarge);
    const auto tight = [&](const Session& session) {
      return session.up.component == LaneOf(*item).options->component &&
             BytesOf(*item) + 600 > session.up.max_message_bytes;
    };
    if (std::none_of(sessions_.begin(), sessions_.end(), tight))
      Fail("cause", Name(*item) + " is not too large");
    return;
  }
  if (reason == "EMIT_REFUSED") {
    coverage_->Saw(Cover::kDeadEmits);
    if (item->fact != Fact::kDone || EmitsFit(*item, nullptr))
      Fail("cause", Name(*item) + " had no emit to refuse");
    return;
  }
  if (reason != item->reason)
    return Fail("cause", Name(*item) + " is dead of " + reason + ", but failed by " + item->reason);
  if (item->fact == Fact::kReject) return coverage_->Saw(Cover::kDeadRejected);
  const bool failure = item->fact == Fact::kRetry || item->fact == Fact::kDeadline ||
                       (item->fact == Fact::kRelease && item->counted_release);
  if (!failure) return Fail("cause", Name(*item) + " is dead of " + reason + " without a failure");
  if (s.attempts >= LaneOf(*item).options->retry.max_attempts)
    return coverage_->Saw(Cover::kDeadAttempts);
  if (Keyed(*item) && LaneOf(*item).out.size() >= options_.lane_held)
    return coverage_->Saw(Cover::kDeadHeld);
  Fail("cause", Name(*item) + " is dead after " + std::to_string(s.attempts) + " attempts");
}

void Oracle::CheckConviction(Item* item, const bus::Settlement& s) {
  coverage_->Saw(Cover::kDeadCrashed);
  item->convicting = true;
  if (!item->suspect || !item->aside || item->ends.hi < options_.crash_limit)
    return Fail("conviction", Name(*item) + " is convicted but not set aside");
  if (LastSuccess(item->version) <= item->aside_step)
    return Fail("conviction", Name(*item) + " is convicted without its control");
  if (item->bad_deploy) {
    coverage_->Saw(Cover::kReprieveConvicted);
    if (item->ends.hi <= options_.crash_limit || item->success_before_end <= item->aside_step) {
      return Fail("conviction", Name(*item) + " is convicted without its reprieve");
    }
  }
  if (s.dead->detail.empty()) return Fail("conviction", "no crash report with " + Name(*item));
  const bool killer = bus_.events(item->lane)[item->index].killer;
  if (killer) coverage_->Saw(Cover::kKillerConvicted);
  if (scenario_.fair && !scenario_.options.remote && !killer)
    Fail("innocent", Name(*item) + " is convicted, yet never ended anything");
}

// The delay after so many attempts, without the jitter.
Duration Oracle::LeastDelay(const Item& item, uint32_t attempts) const {
  const lane::RetryPolicy& policy = LaneOf(item).options->retry;
  if (item.retry_after && item.fact == Fact::kRetry) {
    const Duration most = Keyed(item) ? policy.max : Duration(std::chrono::hours(24));
    return std::clamp(*item.retry_after, Duration(0), most);
  }
  Duration delay = policy.initial;
  for (uint32_t i = 1; i < attempts && delay < policy.max; ++i) delay *= 2;
  return std::min(delay, policy.max);
}

void Oracle::CheckRetry(Item* item, const bus::Settlement& s, Time now) {
  coverage_->Saw(Cover::kEndRetry);
  const LaneState& lane = LaneOf(*item);
  if (Keyed(*item))
    return Fail("order", "retry of " + Name(*item) + " through the bus would lose its place");
  const bool failure = item->fact == Fact::kRetry || item->fact == Fact::kDeadline ||
                       (item->fact == Fact::kRelease && item->counted_release);
  if (!failure) return Fail("cause", "retry of " + Name(*item) + " without a failure");
  Narrow(item, s.attempts, "retry");
  const bool probing = lane.probing || lane.probing_now;
  if (!probing && s.attempts >= lane.options->retry.max_attempts)
    return Fail("attempts", Name(*item) + " goes again after its last attempt");
  const Duration delay = s.due - now, least = LeastDelay(*item, s.attempts);
  const Duration most(
      std::llround(static_cast<double>(least.count()) * (1 + lane.options->retry.jitter)) + 1);
  if (probing ? delay < Duration(0) : delay < least || delay > most) {
    Fail("delay", "retry of " + Name(*item) + " after " + std::to_string(delay.count()) +
                      " us, not " + std::to_string(least.count()) + ".." +
                      std::to_string(most.count()));
  }
}

void Oracle::CheckReturned(Item* item, const bus::Settlement&, Time now) {
  coverage_->Saw(Cover::kEndReturned);
  LaneState& its = LaneOf(*item);
  its.gone_from = its.gone_at == now ? std::min(its.gone_from, item->ready_from) : item->ready_from;
  its.gone_at = now;
  if (item->fact == Fact::kDone || item->fact == Fact::kReject)
    return Fail("cause", Name(*item) + " is given back, though answered");
  const LaneState& lane = LaneOf(*item);
  if (Rests(lane)) return;
  // It was there when a dead letter was made of its key.
  if (const Key* key = KeyOf(*item);
      key != nullptr && lane.options->parks && item->tag <= key->died_at)
    return coverage_->Saw(Cover::kBehindLetter);
  if (const Key* key = KeyOf(*item)) {  // Behind one of its key that was given back.
    for (uint32_t index : key->items) {
      if (index >= item->index) break;
      const Item& earlier = lane.items[index];
      const bool back = earlier.where == Where::kBus ||
                        ((earlier.where == Where::kSettling || earlier.where == Where::kFailed) &&
                         earlier.end == End::kReturned);
      const bool came_again = earlier.tag > item->tag;  // While this one was under way.
      if ((back || came_again) && !Finished(earlier)) return;
    }
  }
  if (item->suspect) return Fail("cause", Name(*item) + " is a suspect and given back");
  if (lane.probing || lane.probing_now || circuit_ != CircuitState::kClosed) return;
  if (step_down_ || step_loss_ || !facts_.empty())
    return;  // The circuit may open in this step; CheckCircuit sees to that.
  Fail("cause", Name(*item) + " is given back without cause");
}

}  // namespace outboard::simulation
