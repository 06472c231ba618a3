#include "tests/simulation/hops_oracle.h"

#include <algorithm>
#include <variant>

#include "host/event/wire.h"
#include "tests/simulation/samples.h"

namespace outboard::simulation {

using lane::Verdict;
using pipeline::Answer;

HopsOracle::HopsOracle(const HopsScenario& scenario, const FakeBus& bus, Coverage* coverage)
    : scenario_(scenario), bus_(bus), coverage_(coverage) {
  ways_.resize(scenario.hops.size());
  for (uint32_t lane = 0; lane < scenario.hops.size(); ++lane) {
    for (const HopTraits& hop : scenario.hops[lane]) {
      places_[hop.id] = {lane, ways_[lane].size(), &hop, &hop == &scenario.hops[lane].back()};
      if (!hop.observes) ways_[lane].push_back(&hop);
    }
  }
  for (const HopTraits& stage : scenario.stages) {
    places_[stage.id] = {0, stages_.size(), &stage, false};
    stages_.push_back(&stage);
  }
  NewHost();
}

void HopsOracle::NewHost() {
  events_.assign(ways_.size(), {});
  calls_.clear();
  owed_.clear();
  sessions_.assign(scenario_.plugins.size(), {});
  open_now_.assign(scenario_.plugins.size(), false);
  draining_ = false;
}

void HopsOracle::Fail(const char* invariant, std::string message) {
  if (failed()) return;
  invariant_ = invariant;
  message_ = std::move(message);
}

std::string HopsOracle::Name(uint32_t lane, uint32_t index) const {
  return "e" + std::to_string(index) + " of lane " + std::to_string(lane);
}

void HopsOracle::OnDelivered(const bus::Delivery& delivery) {
  const uint32_t lane = bus_.LaneOf(delivery.lane);
  const auto index = static_cast<uint32_t>(SampleIndex(delivery.event.id()));
  EventWay& way = events_[lane][index];
  std::set<std::string> was = std::move(way.was);
  way = EventWay();
  way.tag = delivery.tag;
  way.original = std::string(delivery.event.bytes());
  way.steps = {{0, way.original}};
  way.was = std::move(was);
  way.was.insert(way.original);
}

// ---- Inputs
// -------------------------------------------------------------------------------------------

void HopsOracle::OnInput(uint32_t plugin, const lane::Input& input) {
  auto& sessions = sessions_[plugin];
  if (const auto* in = std::get_if<lane::SessionUp>(&input)) {
    Session session;
    session.component = in->component;
    session.quarantine = in->quarantine;
    sessions[in->session] = std::move(session);
  } else if (const auto* in = std::get_if<lane::SessionDraining>(&input)) {
    sessions[in->session].draining = true;
  } else if (const auto* in = std::get_if<lane::AnswersArrived>(&input)) {
    Answers(&sessions[in->session], *in);
  } else if (const auto* in = std::get_if<lane::SessionDown>(&input)) {
    for (Sent& sent : sessions[in->session].sent)
      Lose(&sent, in->cause == lane::DownCause::kDrained);
    sessions.erase(in->session);
  }
}

void HopsOracle::Answers(Session* session, const lane::AnswersArrived& in) {
  if (in.window) session->paused = *in.window == 0;
  lane::Answer bare;
  bare.verdict = Verdict::kDone;
  for (const uint64_t id : in.done_ids) Take(&session->sent[id - 1], bare);
  for (const lane::Answer& answer : in.verdicts)
    Take(&session->sent[answer.delivery_id - 1], answer);
}

void HopsOracle::Take(Sent* sent, const lane::Answer& answer) {
  if (std::exchange(sent->answered, true)) return;
  if (sent->expired) return Free(*sent);
  if (sent->observed) return;
  if (sent->call != 0) {
    TakeOfCall(*sent, answer);
  } else {
    TakeOfEvent(*sent, answer);
  }
}

void HopsOracle::TakeOfEvent(const Sent& sent, const lane::Answer& answer) {
  EventWay& way = events_[sent.lane][sent.index];
  const Place& place = places_.at(sent.hop);
  const Step next{place.at + 1, sent.bytes};
  --way.flying;
  way.steps.clear();
  const bool open = place.hop->fail_open;
  switch (answer.verdict) {
    case Verdict::kDone: {
      way.fact = place.last ? Fact::kDone : Fact::kContinue;
      if (place.last) return;
      if (!answer.changed) {
        way.steps = {next};
        return;
      }
      const auto changed = CheckEvent(*answer.changed);
      if (changed.ok() && SampleIndex(changed->id()) == static_cast<int64_t>(sent.index)) {
        coverage_->Saw(Cover::kHopChanged);
        way.steps = {{place.at + 1, *answer.changed}};
        way.was.insert(*answer.changed);
        return;
      }
      coverage_->Saw(Cover::kHopForged);
      way.fact = open ? Fact::kContinue : Fact::kForged;
      if (open) way.steps = {next};
      return;
    }
    case Verdict::kHalt:
      coverage_->Saw(Cover::kHopHalt);
      way.fact = Fact::kHalt;
      return;
    case Verdict::kReject:
      way.fact = Fact::kReject;
      way.reason = answer.failure == nullptr ? "UNSPECIFIED" : answer.failure->reason;
      return;
    case Verdict::kRelease:
      way.fact = Fact::kRelease;
      way.steps = {{place.at, sent.bytes}, {0, way.original}};
      if (open) way.steps.insert(next);
      return;
    default: return FailEvent(sent, Fact::kRetry);
  }
}

// RETRY, or no answer in time.
void HopsOracle::FailEvent(const Sent& sent, Fact fact) {
  EventWay& way = events_[sent.lane][sent.index];
  const Place& place = places_.at(sent.hop);
  if (place.hop->fail_open) {
    coverage_->Saw(Cover::kHopFailedOpen);
    way.fact = Fact::kContinue;
    way.steps = {{place.at + 1, sent.bytes}};
    return;
  }
  way.fact = fact;
  way.steps = {{0, way.original}};
}

void HopsOracle::TakeOfCall(const Sent& sent, const lane::Answer& answer) {
  const auto found = calls_.find(sent.call);
  if (found == calls_.end()) return;
  CallWay& way = found->second;
  const size_t at = places_.at(sent.hop).at;
  --way.flying;
  way.steps.clear();
  switch (answer.verdict) {
    case Verdict::kDone:
      way.hooked = true;
      way.fact = Fact::kContinue;
      if (answer.changed_call != nullptr && answer.changed_call->operation != way.call->operation) {
        coverage_->Saw(Cover::kCallForged);
        way.fact = Fact::kForged;
      } else if (answer.changed_call != nullptr) {
        coverage_->Saw(Cover::kCallChanged);
        way.steps = {{at + 1, answer.changed_call->bytes}};
      } else {
        way.steps = {{at + 1, sent.bytes}};
      }
      return;
    case Verdict::kHalt:
      way.fact = Fact::kHalt;
      way.answer = answer.answer;
      return;
    case Verdict::kReject:
      way.fact = Fact::kReject;
      way.reason = answer.failure == nullptr ? "UNSPECIFIED" : answer.failure->reason;
      return;
    case Verdict::kRelease:
      way.fact = Fact::kRelease;
      way.steps = {{at, sent.bytes}};
      return;
    default: way.fact = Fact::kRetry; return;
  }
}

// The session of it is over.
void HopsOracle::Lose(Sent* sent, bool drained) {
  if (std::exchange(sent->answered, true)) return;
  if (sent->expired) return Free(*sent);
  if (sent->observed) return;
  const Place& place = places_.at(sent->hop);
  if (sent->call != 0) {
    const auto found = calls_.find(sent->call);
    if (found == calls_.end()) return;
    --found->second.flying;
    found->second.fact = drained ? Fact::kNone : Fact::kLost;
    found->second.steps.clear();
    if (drained) found->second.steps = {{place.at, sent->bytes}};
    return;
  }
  if (place.at > 0) coverage_->Saw(Cover::kHopLost);
  EventWay& way = events_[sent->lane][sent->index];
  --way.flying;
  way.fact = Fact::kLost;
  way.steps = {{place.at, sent->bytes}};
  if (place.hop->fail_open) way.steps.insert({place.at + 1, sent->bytes});
}

// ---- Effects
// ------------------------------------------------------------------------------------------

void HopsOracle::OnEffects(uint32_t plugin, const lane::Effects& effects,
                           const lane::Dispatcher& dispatcher, lane::CircuitState before) {
  open_now_[plugin] =
      before != lane::CircuitState::kClosed || dispatcher.circuit() != lane::CircuitState::kClosed;
  for (const lane::CancelDeliveries& cancel : effects.cancels) Expire(plugin, cancel);
  for (const bus::Settlement& settlement : effects.settlements) Settle(settlement);
  for (const lane::SendFrame& frame : effects.frames) Frame(plugin, frame);
  for (const lane::CloseSession& close : effects.closes)
    sessions_[plugin][close.session].draining = true;
  for (const lane::ReplaceInstance& replace : effects.replaces)
    sessions_[plugin][replace.session].draining = true;
}

void HopsOracle::Expire(uint32_t plugin, const lane::CancelDeliveries& cancel) {
  for (const uint64_t id : cancel.ids) {
    Sent& sent = sessions_[plugin][cancel.session].sent[id - 1];
    if (sent.answered || std::exchange(sent.expired, true))
      return Fail("deadline", "cancel of what is answered or expired");
    if (sent.observed) continue;
    if (sent.call != 0) {
      const auto found = calls_.find(sent.call);
      if (found == calls_.end()) continue;  // Given up.
      --found->second.flying;
      found->second.fact = Fact::kDeadline;
      found->second.steps.clear();
      continue;
    }
    const Place& place = places_.at(sent.hop);
    if (place.at > 0) coverage_->Saw(Cover::kHopExpired);
    --events_[sent.lane][sent.index].flying;
    if (Owes(sent)) owed_[KeyOf(sent)].emplace(sent.index, place.hop->fail_open);
    FailEvent(sent, Fact::kDeadline);
  }
}

// Whether what it does with an expired delivery could still run beside the next one of the key. A
// stage that fails open lets the event go on at its deadline, and only the first hop knows keys.
bool HopsOracle::Owes(const Sent& sent) const {
  const Place& place = places_.at(sent.hop);
  return sent.call == 0 && !sent.observed && !(place.hop->fail_open && place.at > 0);
}

void HopsOracle::Free(const Sent& sent) {
  if (!Owes(sent)) return;
  auto& owed = owed_[KeyOf(sent)];
  owed.erase(owed.find({sent.index, places_.at(sent.hop).hop->fail_open}));
}

std::pair<uint32_t, int> HopsOracle::KeyOf(const Sent& sent) const {
  return {sent.lane, bus_.events(sent.lane)[sent.index].key};
}

void HopsOracle::Frame(uint32_t plugin, const lane::SendFrame& frame) {
  Session& session = sessions_[plugin][frame.session];
  if (frame.first_id != session.sent.size() + 1)
    return Fail("sessions", "delivery ids do not count 1, 2, 3");
  for (const lane::FrameItem& item : frame.items) {
    Sent sent;
    sent.hop = item.lane;
    if (item.call != nullptr) {
      SendCall(item, &sent);
    } else {
      SendEvent(item, &sent);
    }
    if (failed()) return;
    session.sent.push_back(std::move(sent));
  }
}

bool HopsOracle::MaySkip(const std::vector<const HopTraits*>& hops, size_t from, size_t to,
                         const std::string* operation) const {
  for (size_t at = from; at < to; ++at) {
    const bool skip = operation == nullptr ? !hops[at]->hooks || hops[at]->fail_open
                                           : !Hooks(*hops[at], *operation);
    if (!skip) return false;
  }
  return true;
}

bool HopsOracle::Hooks(const HopTraits& stage, const std::string& operation) const {
  const Scenario& plugin = scenario_.plugins[stage.plugin];
  for (const lane::LaneOptions& lane : plugin.options.lanes) {
    if (lane.id != stage.id) continue;
    const std::vector<std::string>& hooked = plugin.components[lane.component].operations;
    return std::any_of(hooked.begin(), hooked.end(),
                       [&](const std::string& one) { return one == "*" || one == operation; });
  }
  return false;
}

bool HopsOracle::Arrive(const std::vector<const HopTraits*>& hops, Way* way, size_t at,
                        const std::string& bytes, const std::string* operation) {
  for (const Step& step : way->steps) {
    if (step.bytes != bytes || step.at > at || !MaySkip(hops, step.at, at, operation)) continue;
    if (step.at < at)
      coverage_->Saw(operation == nullptr ? Cover::kHopSkipped : Cover::kCallPassed);
    way->steps = {{at, bytes}};
    way->at = at;
    way->fact = Fact::kNone;
    ++way->flying;
    return true;
  }
  return false;
}

void HopsOracle::SendEvent(const lane::FrameItem& item, Sent* sent) {
  const Place& place = places_.at(item.lane);
  sent->lane = place.lane;
  sent->index = static_cast<uint32_t>(SampleIndex(item.event.id()));
  sent->bytes = std::string(item.event.bytes());
  const std::string name = Name(sent->lane, sent->index);
  const auto found = events_[sent->lane].find(sent->index);
  if (found == events_[sent->lane].end())
    return Fail("walk", name + " is sent and the bus did not hand it out");
  EventWay& way = found->second;
  if (!place.hop->hooks) return Fail("walk", name + " goes to a stage that does not hook it");
  if (place.hop->observes) {
    coverage_->Saw(Cover::kHopObserved);
    sent->observed = true;
    if (way.was.count(sent->bytes) == 0)
      Fail("observers", "an observer gets bytes that " + name + " never had");
    return;
  }
  if (way.ended) return Fail("walk", name + " goes to a hop after its end");
  if (way.flying > 0) return Fail("walk", name + " is at two hops");
  const Fact before = way.fact;
  if (!Arrive(ways_[sent->lane], &way, place.at, sent->bytes, nullptr)) {
    return Fail("walk", name + " goes to hop " + std::to_string(place.at) +
                            ", and its last one did not send it there with these bytes");
  }
  if (place.at > 0) coverage_->Saw(Cover::kHopSent);
  if (place.at == 0 && (before == Fact::kRetry || before == Fact::kDeadline))
    coverage_->Saw(Cover::kHopBack);
  CheckOrder(*sent);
}

// Through several hops events of a key go one by one. A single one may have runs, which are the
// other oracle's.
void HopsOracle::CheckOrder(const Sent& sent) {
  const auto [lane, key] = KeyOf(sent);
  if (key < 0 || ways_[lane].size() == 1) return;
  if (scenario_.world.options.lanes[lane].order_by.empty()) return;
  const std::string name = Name(lane, sent.index);
  for (const auto& [index, open] : owed_[{lane, key}]) {
    // What a stage that fails open had too long goes on itself.
    if (index == sent.index && open) continue;
    return Fail("order", name + " goes while a session owes an answer for " + Name(lane, index));
  }
  const std::vector<BusEvent>& all = bus_.events(lane);
  for (const auto& [index, way] : events_[lane]) {
    if (index == sent.index || all[index].key != key) continue;
    if (way.flying > 0) return Fail("order", name + " goes beside " + Name(lane, index));
    if (index > sent.index && way.steps.size() > 0 && way.at > 0 && !way.ended)
      return Fail("order", name + " goes behind " + Name(lane, index));
  }
  for (uint32_t index = 0; index < sent.index; ++index) {
    if (all[index].key != key || all[index].state >= BusEvent::State::kDone) continue;
    coverage_->Saw(Cover::kHopSameKey);
    const auto way = events_[lane].find(index);
    const bool over = way != events_[lane].end() && way->second.ended && way->second.final_end;
    if (!over) return Fail("order", name + " overtakes " + Name(lane, index));
  }
}

void HopsOracle::Settle(const bus::Settlement& settlement) {
  const uint32_t lane = bus_.LaneOf(settlement.lane);
  for (auto& [index, way] : events_[lane]) {
    if (way.tag != settlement.tag) continue;
    if (way.ended) return;  // Once more, after the bus failed to make it.
    way.ended = true;
    way.final_end = settlement.end != bus::End::kReturned && settlement.end != bus::End::kRetry;
    const std::string name = Name(lane, index);
    if (way.flying > 0 && settlement.end != bus::End::kReturned)
      return Fail("cause", name + " ends while a hop has it");
    return CheckEnd(lane, name, way, settlement);
  }
  Fail("one settle", "settlement of what is not out");
}

void HopsOracle::CheckEnd(uint32_t lane, const std::string& name, const EventWay& way,
                          const bus::Settlement& settlement) {
  const Fact fact = way.fact;
  const bool failed = fact == Fact::kRetry || fact == Fact::kDeadline || fact == Fact::kRelease;
  switch (settlement.end) {
    case bus::End::kDone:
      if (fact != Fact::kDone) Fail("cause", name + " is done, and its target did not say so");
      return;
    case bus::End::kDropped:
      if (fact != Fact::kHalt) Fail("cause", name + " is dropped, and no stage halted it");
      return;
    case bus::End::kRetry:
      if (!failed) Fail("cause", name + " is tried again without a failure");
      return;
    case bus::End::kReturned:
      if (fact == Fact::kDone || fact == Fact::kHalt || fact == Fact::kReject)
        Fail("cause", name + " is given back after its end");
      return;
    case bus::End::kDead: break;
  }
  if (settlement.dead == nullptr) return Fail("cause", name + " is dead without a reason");
  const std::string& reason = settlement.dead->reason;
  if (way.at + 1 < ways_[lane].size()) coverage_->Saw(Cover::kHopDead);
  if (reason == "TOO_LARGE") return;
  if (reason == "EMIT_REFUSED" && fact == Fact::kDone) return;
  if (reason == "CHANGE_REFUSED" && fact == Fact::kForged) return;
  if ((reason == "CRASHED" || reason == "SUSPECTED") && fact == Fact::kLost) return;
  if (fact == Fact::kReject && reason == way.reason) return;
  if (failed && !ways_[lane][way.at]->fail_open) return;
  Fail("cause", name + " is a dead letter with reason " + reason + " for no cause");
}

// ---- Calls
// --------------------------------------------------------------------------------------------

void HopsOracle::OnCall(uint64_t id, std::shared_ptr<const lane::Call> call, Time deadline) {
  CallWay way;
  way.steps = {{0, call->bytes}};
  way.call = std::move(call);
  way.deadline = deadline;
  calls_[id] = std::move(way);
}

void HopsOracle::OnGivenUp(uint64_t id) {
  if (calls_.erase(id) > 0) coverage_->Saw(Cover::kCallGivenUp);
}

void HopsOracle::OnDrain() {
  draining_ = true;
  if (!calls_.empty()) coverage_->Saw(Cover::kCallInDrain);
}

void HopsOracle::SendCall(const lane::FrameItem& item, Sent* sent) {
  const Place& place = places_.at(item.lane);
  sent->bytes = item.call->bytes;
  sent->call = std::stoull(sent->bytes.substr(1));  // What stages changed comes behind it.
  const std::string name = "call " + std::to_string(sent->call);
  const auto found = calls_.find(sent->call);
  if (found == calls_.end()) return Fail("calls", name + " is sent, and nobody waits for it");
  CallWay& way = found->second;
  if (!Hooks(*place.hop, way.call->operation))
    return Fail("calls", name + " goes to a stage that does not hook its operation");
  if (way.flying > 0) return Fail("calls", name + " is at two stages");
  if (!Arrive(stages_, &way, place.at, sent->bytes, &way.call->operation)) {
    return Fail("calls", name + " goes to stage " + std::to_string(place.at) +
                             ", and its last one did not send it there with these arguments");
  }
  coverage_->Saw(Cover::kCallSent);
}

bool HopsOracle::IsUsable(const HopTraits& stage) const {
  lane::ComponentId component = 0;
  for (const lane::LaneOptions& lane : scenario_.plugins[stage.plugin].options.lanes) {
    if (lane.id == stage.id) component = lane.component;
  }
  const auto& sessions = sessions_[stage.plugin];
  return std::any_of(sessions.begin(), sessions.end(), [&](const auto& entry) {
    const Session& session = entry.second;
    return session.component == component && !session.quarantine && !session.draining &&
           !session.paused;
  });
}

void HopsOracle::OnAnswer(uint64_t id, const Answer& answer, Time now) {
  const auto found = calls_.find(id);
  const std::string name = "call " + std::to_string(id);
  if (found == calls_.end())
    return Fail("calls", name + " is answered a second time, or after it was given up");
  const CallWay way = std::move(found->second);
  calls_.erase(found);
  if (const std::string why = WrongAnswer(way, answer, now); !why.empty())
    Fail("calls", name + " gets " + absl::StatusCodeToString(answer.code) + " (" +
                      answer.failure.reason + ") of stage '" + answer.stage + "': " + why);
}

std::string HopsOracle::WrongAnswer(const CallWay& way, const Answer& answer, Time now) {
  const std::string* operation = &way.call->operation;
  const auto through = [&] {
    return std::any_of(way.steps.begin(), way.steps.end(), [&](const Step& step) {
      return MaySkip(stages_, step.at, stages_.size(), operation);
    });
  };
  const std::string& reason = answer.failure.reason;
  switch (answer.code) {
    case absl::StatusCode::kOk:
      if (answer.stage.empty()) {
        coverage_->Saw(Cover::kCallUnanswered);
        return way.hooked && through() ? "" : "not every stage let it pass";
      }
      coverage_->Saw(Cover::kCallAnswered);
      if (way.fact != Fact::kHalt || answer.stage != StageName(way.at)) return "it did not say so";
      return answer.payload == way.answer ? "" : "another answer";
    case absl::StatusCode::kUnimplemented:
      coverage_->Saw(Cover::kCallUnimplemented);
      return !way.hooked && through() ? "" : "a stage hooks it";
    case absl::StatusCode::kDeadlineExceeded:
      coverage_->Saw(now >= way.deadline ? Cover::kCallLate : Cover::kCallDeadline);
      return now >= way.deadline || way.fact == Fact::kDeadline ? "" : "too early";
    case absl::StatusCode::kInternal: return way.fact == Fact::kForged ? "" : "nothing was forged";
    case absl::StatusCode::kUnavailable: break;
    default:
      coverage_->Saw(Cover::kCallRejected);
      return way.fact == Fact::kReject && pipeline::CodeOf(way.reason) == answer.code &&
                     reason == way.reason
                 ? ""
                 : "it did not reject it so";
  }
  if (reason == "SESSION_LOST") {
    coverage_->Saw(Cover::kCallLost);
    return way.fact == Fact::kLost ? "" : "its session lives";
  }
  if (reason == "NOT_READY") {
    coverage_->Saw(Cover::kCallNotReady);
    for (const HopTraits* stage : stages_) {
      if (StageName(places_.at(stage->id).at) != answer.stage) continue;
      const bool refused = draining_ || open_now_[stage->plugin] || !IsUsable(*stage);
      return refused && way.fact != Fact::kHalt ? "" : "its stage takes calls";
    }
    return "an unknown stage";
  }
  coverage_->Saw(Cover::kCallRetry);
  return way.fact == Fact::kRetry || way.fact == Fact::kRelease ? "" : "no stage failed";
}

}  // namespace outboard::simulation
