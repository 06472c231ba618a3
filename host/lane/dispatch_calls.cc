// Calls of pipelines, and publishers' events before the bus. They share sessions, windows and
// frames with events; nothing of them is kept, tried again or settled.
#include <algorithm>
#include <utility>

#include "host/lane/dispatcher_impl.h"

namespace outboard::lane {
namespace {

CallEnd Unavailable(std::string reason, std::string message) {
  CallEnd end;
  end.kind = CallEnd::Kind::kUnavailable;
  end.failure.reason = std::move(reason);
  end.failure.message = std::move(message);
  return end;
}

}  // namespace

void Dispatcher::Impl::On(CallsArrived& in) {
  for (CallsArrived::Item& call : in.calls) {
    Item* item = NewItem(call.lane);
    item->tag = call.call;
    item->event = call.body->event;
    item->bytes = call.body->is_event() ? item->event.size() : call.body->bytes.size();
    item->call = std::move(call.body);
    item->call_deadline = call.deadline;
    item->accepted_at = now;
    calls[item->tag] = item;
    item->passes = DoesNotHook(*item);
    item->lane->Admit(item);
    if (draining)
      EndCall(item, Unavailable("NOT_READY", WhyNoCalls(item->lane->options().component)));
  }
}

bool Dispatcher::Impl::HooksOperation(const std::vector<std::string>& hooked, const Call& call) {
  return std::any_of(hooked.begin(), hooked.end(), [&call](const std::string& operation) {
    return operation == "*" || operation == call.operation;
  });
}

void Dispatcher::Impl::PassBy(Item* item) {
  CallEnd passed;
  passed.kind = CallEnd::Kind::kPassed;
  EndCall(item, std::move(passed));
}

void Dispatcher::Impl::On(CallsCancelled& in) {
  for (const uint64_t call : in.calls) {
    const auto found = calls.find(call);
    if (found == calls.end()) continue;
    Item* item = found->second;
    if (item->state == ItemState::kInFlight) {
      Find(item->session)->Cancel(item->delivery_id, now);
      out->cancels.push_back({item->session, {item->delivery_id}});
    }
    Detach(item);
    calls.erase(found);
    FreeSlot(item);  // The circuit's trial says nothing then: the next one is it.
  }
}

void Dispatcher::Impl::JudgeCall(Item* item, const SessionLedger& session, Answer* answer) {
  CallEnd end;
  if (answer->failure) end.failure = std::move(*answer->failure);
  switch (answer->verdict) {
    case Verdict::kDone:
      if (!TakeChange(*item, answer, &end)) break;
      ++item->lane->stats.passed;
      OnSuccess(*item, session.up());
      break;
    case Verdict::kHalt:
      ++item->lane->stats.halted;
      OnSuccess(*item, session.up());
      end.kind = CallEnd::Kind::kHalt;
      end.answer = std::move(answer->answer);
      break;
    case Verdict::kReject:
      ++item->lane->stats.rejected;
      OnSuccess(*item, session.up());  // Of a call as good an answer as any.
      end.kind = CallEnd::Kind::kFailed;
      break;
    case Verdict::kRetry:
      ++item->lane->stats.retries;
      end.kind = CallEnd::Kind::kUnavailable;
      end.retry_after = answer->retry_after;
      break;
    case Verdict::kRelease: return JudgeRelease(item, session);
    case Verdict::kInvalid: break;  // Refused in TakeAnswer.
  }
  EndCall(item, std::move(end));
}

// False: the change is refused.
bool Dispatcher::Impl::TakeChange(const Item& item, Answer* answer, CallEnd* end) const {
  if (!item.call->is_event()) {
    end->changed = std::move(answer->changed_call);
    return true;
  }
  if (!answer->changed) return true;
  absl::StatusOr<Event> changed = Changed(item.event, *std::move(answer->changed));
  if (!changed.ok()) {
    end->kind = CallEnd::Kind::kRefused;
    end->failure = {"CHANGE_REFUSED", std::string(changed.status().message()), ""};
    return false;
  }
  Call call;
  call.event = *std::move(changed);
  end->changed = std::make_shared<const Call>(std::move(call));
  return true;
}

void Dispatcher::Impl::EndCall(Item* item, CallEnd end) {
  Detach(item);
  end.lane = item->lane_id;
  end.call = item->tag;
  calls.erase(item->tag);
  item->lane->stats.end_to_end.Add(now - item->accepted_at);
  FreeSlot(item);
  out->call_ends.push_back(std::move(end));
}

void Dispatcher::Impl::EndCall(Item* item, bus::Settlement& settlement) {
  CallEnd end;
  if (settlement.end == bus::End::kDead) {
    end.kind = CallEnd::Kind::kRefused;
    end.failure.reason = std::move(settlement.dead->reason);
    end.failure.message = std::move(settlement.dead->message);
    end.failure.detail = std::move(settlement.dead->detail);
  } else {
    std::string why = WhyNoCalls(item->lane->options().component);
    end = Unavailable("NOT_READY", why.empty() ? "given back by the plugin" : std::move(why));
  }
  EndCall(item, std::move(end));
}

std::string Dispatcher::Impl::WhyNoCalls(ComponentId component) const {
  if (draining) return "the host is shutting down";
  if (circuit != CircuitState::kClosed)
    return "the circuit of plugin " + options.plugin + " is open: " + circuit_reason;
  if (IsAbsent(component)) {
    return "no instance of plugin " + options.plugin +
           " takes calls: see `outboard status` for its state";
  }
  return "";
}

// What would wait for nobody knows how long is told so. While the circuit looks for a trial, the
// oldest of what is there is it.
void Dispatcher::Impl::FailCalls(Lane& lane) {
  if (!lane.options().calls || !lane.has_ready()) return;
  if (circuit == CircuitState::kTrial && !IsAbsent(lane.options().component)) return;
  const std::string why = WhyNoCalls(lane.options().component);
  if (why.empty()) return;
  while (lane.has_ready()) EndCall(lane.front(), Unavailable("NOT_READY", why));
}

}  // namespace outboard::lane
