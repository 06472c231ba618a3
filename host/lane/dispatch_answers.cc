// What an answer, or a deadline without one, means for a delivery.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/event/wire.h"
#include "host/lane/dispatcher_impl.h"
#include "host/route/filter.h"

namespace outboard::lane {
namespace {

constexpr char kLate[] = "no answer within the time limit";

bool MatchesOne(const std::vector<std::string>& patterns, absl::string_view type) {
  return std::any_of(patterns.begin(), patterns.end(), [type](const std::string& pattern) {
    return route::TopicMatches(pattern, type);
  });
}

}  // namespace

void Dispatcher::Impl::On(AnswersArrived& in) {
  SessionLedger* session = Find(in.session);
  if (session == nullptr || session->broken) return;
  if (in.window) session->SetPluginWindow(*in.window);
  for (const uint64_t id : in.progress_ids) {
    if (!session->Progress(id, now)) {
      return ProtocolError(
          *session, "progress_ids names delivery " + std::to_string(id) + ", which was never sent");
    }
  }
  for (const uint64_t id : in.done_ids) {
    Answer done;
    done.verdict = Verdict::kDone;
    if (!TakeAnswer(*session, id, &done)) return;
  }
  for (Answer& answer : in.verdicts) {
    if (!TakeAnswer(*session, answer.delivery_id, &answer)) return;
  }
}

bool Dispatcher::Impl::TakeAnswer(SessionLedger& session, uint64_t id, Answer* answer) {
  if (answer->verdict == Verdict::kInvalid) {
    ProtocolError(session, "the verdict on delivery " + std::to_string(id) +
                               " has no valid outcome: set one");
    return false;
  }
  const SessionLedger::Taken taken = session.Answer(id, now);
  switch (taken.found) {
    case SessionLedger::Found::kUnknown:
      ProtocolError(
          session,
          "an answer names delivery " + std::to_string(id) +
              ", which was never sent: answer with the delivery_id of a delivery of this session");
      return false;
    case SessionLedger::Found::kLate: ++late_answers; return true;
    case SessionLedger::Found::kExpired:
      ++late_answers;
      if (taken.key != nullptr) taken.lane->FreeOwed(taken.key);
      if (taken.item != nullptr) EndLate(taken.item);
      return true;
    case SessionLedger::Found::kOpen: Judge(taken.item, session, answer); return true;
  }
  return true;
}

void Dispatcher::Impl::Judge(Item* item, SessionLedger& session, Answer* answer) {
  const bool tried_for_circuit =
      circuit == CircuitState::kTrial && (item == circuit_event || item == on_trial);
  ClearOfEnds(item);
  Detach(item);
  item->lane->stats.handling.Add(now - item->sent_at);
  if (item->call != nullptr) {
    JudgeCall(item, session, answer);
    if (tried_for_circuit && circuit == CircuitState::kTrial) EndCircuitTrial();
    return;
  }
  switch (answer->verdict) {
    case Verdict::kDone:
      if (item->lane->options().role == Role::kStage) {
        JudgeContinue(item, session, answer);
      } else {
        JudgeDone(item, session, answer);
      }
      break;
    case Verdict::kHalt: JudgeHalt(item, session); break;
    case Verdict::kRetry: {
      if (item->key != nullptr) item->key->failed_on = session.id();
      Failure failure = answer->failure ? std::move(*answer->failure) : Failure();
      NoteTried(item, "retry", failure.reason, failure.message, session.up());
      JudgeRetry(item, answer->retry_after, std::move(failure));
      break;
    }
    case Verdict::kReject:
      if (item->key != nullptr) item->key->failed_on = session.id();
      if (answer->failure) {
        NoteTried(item, "reject", answer->failure->reason, answer->failure->message, session.up());
      } else {
        NoteTried(item, "reject", "", "", session.up());
      }
      JudgeReject(item, answer);
      break;
    case Verdict::kRelease: JudgeRelease(item, session); break;
    case Verdict::kInvalid: break;  // Refused in TakeAnswer.
  }
  if (tried_for_circuit && circuit == CircuitState::kTrial) EndCircuitTrial();
}

void Dispatcher::Impl::JudgeDone(Item* item, SessionLedger& session, Answer* answer) {
  BreakRun(*item->lane);
  std::vector<Event> emits;
  const std::string& component = options.components[item->lane->options().component];
  for (uint32_t i = 0; i < answer->emits.size(); ++i) {
    absl::StatusOr<Event> emit =
        MakeEmit(item->event, component, i, std::move(answer->emits[i]), options.event_limits);
    std::string refused;
    if (!emit.ok()) {
      refused = std::string(emit.status().message());
    } else if (!MatchesOne(session.up().emits, emit->type())) {
      refused = "type " + std::string(emit->type()) + " is not declared: add it to Component.emits";
    } else if (!options.emits.empty() && !MatchesOne(options.emits, emit->type())) {
      refused = "plugin " + options.plugin + " may not emit type " + std::string(emit->type()) +
                ": add it to its emits: in the host's configuration";
    }
    if (!refused.empty()) {
      NoteTried(item, "refused", "EMIT_REFUSED", refused, session.up());
      return SettleDead(item, "EMIT_REFUSED", "emit " + std::to_string(i) + ": " + refused, "");
    }
    emits.push_back(*std::move(emit));
  }
  OnSuccess(*item, session.up());
  SettleDone(item, std::move(emits), std::move(answer->placed), session.up());
}

void Dispatcher::Impl::JudgeRetry(Item* item, std::optional<Duration> after, Failure failure) {
  Lane& lane = *item->lane;
  if (item->call != nullptr) {
    ++lane.stats.retries;
    return EndCall(item,
                   {0, 0, CallEnd::Kind::kUnavailable, nullptr, std::nullopt, std::move(failure)});
  }
  const std::string event_id(item->event.id());
  if (failure.reason.empty()) failure.reason = "UNSPECIFIED";
  const bool charged = ChargesAttempts(lane);
  if (charged) {
    ++item->attempts;
    ++lane.stats.retries;
  }
  const uint32_t attempts = std::max<uint32_t>(item->attempts, 1);
  const bool in_memory =
      lane.options().first ? item->key != nullptr : !lane.options().order_by.empty();
  const Duration delay = RetryDelay(lane.options().retry, attempts, after, in_memory, random);
  const bool last = charged && item->attempts >= lane.options().retry.max_attempts;
  if (lane.options().observes) {
    Ignore(item);
  } else if (lane.options().fail_open) {
    item->attempts -= charged ? 1 : 0;
    Forward(item, item->event);
  } else if (last) {
    SettleDead(item, std::move(failure.reason), std::move(failure.message), KeptDetail(failure));
  } else {
    PlaceRetry(item, now + delay, std::move(failure));
  }
  CountFailure(lane, event_id);
}

void Dispatcher::Impl::PlaceRetry(Item* item, Time due, Failure failure) {
  Lane& lane = *item->lane;
  // A stage that fails open is passed by while it is down: nothing waits for it on the bus.
  const bool down =
      !lane.options().fail_open && (circuit != CircuitState::kClosed || lane.probe.on);
  const bool back =
      GivesBack(lane) || (!Lane::StandsBeforeSuspect(*item) && (down || Lane::FollowsBack(*item)));
  if (item->key == nullptr) {
    SettleRetry(item, due, std::move(failure));
  } else if (back) {
    ReturnWithFollowers(item);
  } else if (lane.held_full() && lane.jammed() && !lane.probe.on) {
    SettleDead(item, std::move(failure.reason), std::move(failure.message), KeptDetail(failure));
  } else {
    Wait(item, due);
  }
}

std::string Dispatcher::Impl::KeptDetail(const Failure& failure) {
  std::string detail = failure.detail;
  for (const auto& [key, value] : failure.metadata)
    absl::StrAppend(&detail, detail.empty() ? "" : "\n", key, ": ", value);
  return detail;
}

void Dispatcher::Impl::JudgeReject(Item* item, Answer* answer) {
  ++item->lane->stats.rejected;
  BreakRun(*item->lane);
  Failure failure = answer->failure ? std::move(*answer->failure) : Failure();
  if (failure.reason.empty()) failure.reason = "UNSPECIFIED";
  SettleDead(item, std::move(failure.reason), std::move(failure.message), KeptDetail(failure));
}

void Dispatcher::Impl::JudgeRelease(Item* item, const SessionLedger& session) {
  ++item->lane->stats.released;
  if (options.lineage) RecordTurn(*item, TurnOf(*item, "release", session.up()));
  const bool must_return = GivesBack(*item->lane);
  const bool may_return = must_return || !Lane::StandsBeforeSuspect(*item);
  if (may_return && (must_return || circuit != CircuitState::kClosed || Lane::FollowsBack(*item)))
    return ReturnWithFollowers(item);
  if (item->key != nullptr && session.up().in_order && item->key->failed_on == session.id()) {
    return item->lane->ParkAgain(item);
  }
  if (++item->releases >= options.max_releases) {
    item->releases = 0;
    Failure released{"RELEASED", "released " + std::to_string(options.max_releases) + " times", ""};
    NoteTried(item, "retry", released.reason, released.message, session.up());
    return JudgeRetry(item, std::nullopt, std::move(released));
  }
  Wait(item, now + options.release_delay);
}

// ---- Deadlines
// -----------------------------------------------------------------------------------

void Dispatcher::Impl::ExpireDeliveries(SessionLedger& session) {
  const std::vector<SessionLedger::Expired> expired = session.TakeExpired(now);
  if (expired.empty()) return;
  CancelDeliveries cancel{session.id(), {}};
  for (const SessionLedger::Expired& e : expired) {
    cancel.ids.push_back(e.id);
    OUTBOARD_CHECK(e.item != nullptr);
    Item* item = e.item;
    NoteTried(item, "deadline", "DEADLINE", kLate, session.up());
    const bool tried_for_circuit =
        circuit == CircuitState::kTrial && (item == circuit_event || item == on_trial);
    ++item->lane->stats.deadlines;
    if (item->key != nullptr) {
      ++item->key->owed;
      item->key->failed_on = session.id();
    }
    ClearOfEnds(item);
    if (item->lane->ends_when_answered()) {
      if (item == on_trial) on_trial = nullptr;
      if (item == circuit_event) circuit_event = nullptr;
    } else {
      EndLate(item);
    }
    if (tried_for_circuit && circuit == CircuitState::kTrial) EndCircuitTrial();
  }
  out->cancels.push_back(std::move(cancel));
}

void Dispatcher::Impl::EndLate(Item* item) {
  Detach(item);
  Failure late{"DEADLINE", kLate, ""};
  if (item->call != nullptr) {
    EndCall(item, {0, 0, CallEnd::Kind::kDeadline, nullptr, std::nullopt, std::move(late)});
  } else {
    JudgeRetry(item, std::nullopt, std::move(late));
  }
}

void Dispatcher::Impl::CheckStuck(SessionLedger& session) {
  bool at_once = false;
  if (!session.IsStuck(now, &at_once) || session.replaced) return;
  session.replaced = true;
  std::string why = "an unanswered delivery is a whole time limit past its deadline";
  Notify(Notice::Kind::kStuck, nullptr, why);
  if (!at_once && !session.draining) DrainSession(session, why);
  session.draining = true;
  out->replaces.push_back({session.id(), at_once, std::move(why)});
}

// ---- Probing
// -------------------------------------------------------------------------------------

bool Dispatcher::Impl::ChargesAttempts(const Lane& lane) const {
  return !lane.probe.on || now - lane.probe.since > lane.options().retry.probe_limit;
}

void Dispatcher::Impl::CountFailure(Lane& lane, const std::string& event_id) {
  if (lane.probe.on) {
    ++lane.probe.failures;
    lane.probe.next = now + Backoff(options.probe_initial, lane.probe.failures, options.probe_max);
    return;
  }
  lane.outcomes.AddFailure(event_id);
  if (lane.outcomes.IsOutage()) StartProbing(lane);
}

void Dispatcher::Impl::StartProbing(Lane& lane) {
  lane.probe = {true, now, now + options.probe_initial, 0};
  lane.stats.probing = true;
  Notify(Notice::Kind::kProbeStarted, nullptr,
         "all recent answers are RETRY: what " + lane.options().name + " depends on seems down");
  out->notices.back().lane = lane.options().id;
  ReturnUnsent(&lane, true);
}

void Dispatcher::Impl::BreakRun(Lane& lane) {
  lane.outcomes.Break();
  if (!lane.probe.on) return;
  lane.probe = {};
  lane.stats.probing = false;
  Notify(Notice::Kind::kProbeEnded, nullptr, lane.options().name + " answers again");
  out->notices.back().lane = lane.options().id;
}

// ---- Broken rules
// --------------------------------------------------------------------------------

void Dispatcher::Impl::ProtocolError(SessionLedger& session, std::string rule) {
  ++protocol_errors;
  session.broken = true;
  Notify(Notice::Kind::kProtocolError, nullptr, rule);
  out->closes.push_back(
      {session.id(), CloseCause::kProtocolError, std::move(rule), Duration::zero()});
}

}  // namespace outboard::lane
