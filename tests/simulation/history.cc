#include "tests/simulation/history.h"

#include <algorithm>

#include "tests/simulation/trace.h"

namespace outboard::simulation {

History::History(uint64_t seed, uint32_t steps, bool trace, Coverage* coverage)
    : random_(seed),
      coverage_(coverage),
      trace_(trace),
      scenario_(MakeScenario(seed, steps, &random_)),
      bus_(scenario_, &random_, &agenda_, coverage),
      plugins_(scenario_, bus_, &random_, &agenda_, coverage),
      oracle_(scenario_, bus_, coverage) {
  plugins_.set_phase(&phase_);
}

bool History::Stop(const char* invariant, std::string message) {
  oracle_.Fail(invariant, std::move(message));
  return false;
}

void History::NewHost() {
  oracle_.NewHost();
  dispatcher_ = std::make_unique<lane::Dispatcher>(scenario_.options, random_.Next(), known_);
  wake_at_ = wake_due_ = kNever;
  draining_ = host_done_ = false;
  paused_.clear();
  inputs_.clear();
  PlanGoOn();
}

void History::EndHost(bool orderly) {
  if (trace_) std::printf("======== the host ends %s\n", orderly ? "in order" : "uncleanly");
  if (!orderly) oracle_.OnUncleanEnd(bus_, *dispatcher_);
  dispatcher_.reset();
  bus_.LoseHost(orderly, now_);
  plugins_.LoseHost(now_);
  NewHost();
}

bool History::Run() {
  NewHost();
  NextPhase();
  for (uint32_t lane = 0; lane < bus_.lanes(); ++lane) agenda_.Add(now_, Act::kPublish, lane);
  plugins_.Start(now_);
  while (steps_ < scenario_.steps && !oracle_.failed()) {
    if (steps_ >= phase_end_) NextPhase();
    if (!Advance()) break;
  }
  if (!oracle_.failed()) Mend();
  return !oracle_.failed();
}

void History::NextPhase() {
  phase_ = scenario_.phases[std::min(next_phase_++, scenario_.phases.size() - 1)];
  phase_end_ = steps_ + phase_.steps;
  if (trace_) std::printf("======== phase: %s\n", phase_.name);
  if (next_phase_ == 1)
    agenda_.Add(now_ + random_.SpreadMicros(phase_.chaos_from, phase_.chaos_to), Act::kChaos);
}

// Takes what comes next in time. False if nothing will ever come.
bool History::Advance() {
  if (agenda_.empty() && wake_due_ == kNever) return false;
  if (wake_due_ <= agenda_.next()) {
    timers_in_a_row_ = wake_due_ <= now_ ? timers_in_a_row_ + 1 : 0;
    if (timers_in_a_row_ > 50) return Stop("livelock", "timers again and again at one instant");
    now_ = std::max(now_, wake_due_);
    wake_due_ = wake_at_ = kNever;
    inputs_.push_back(lane::TimerFired{});
  } else {
    timers_in_a_row_ = 0;
    const Appointment appointment = agenda_.Take();
    now_ = std::max(now_, appointment.at);
    Do(appointment);
  }
  FeedAll();
  if (host_done_) EndHost(true);
  return true;
}

void History::Do(const Appointment& a) {
  switch (a.act) {
    case Act::kPublish: return bus_.Publish(static_cast<uint32_t>(a.what), now_);
    case Act::kHandOut: {
      lane::DeliveriesArrived arrived;
      bus_.HandOut(static_cast<uint32_t>(a.what), now_, &arrived.deliveries);
      if (!arrived.deliveries.empty()) inputs_.push_back(std::move(arrived));
      return;
    }
    case Act::kReport: {
      lane::SettlesArrived settles;
      bus_.Report(phase_, now_, &settles.settled);
      if (!settles.settled.empty()) inputs_.push_back(std::move(settles));
      return;
    }
    case Act::kTick: return plugins_.Tick(a.what, now_, &inputs_);
    case Act::kLateAnswer: return plugins_.LateAnswer(a.what, now_, &inputs_);
    case Act::kSessionDown: return plugins_.EndSession(a.what, now_, &inputs_);
    case Act::kLaunch: return plugins_.Launch(a.what, a.extra, now_, &inputs_);
    case Act::kSessionUp: return plugins_.OpenSession(a.what, a.extra, now_, &inputs_);
    case Act::kStopSlot: return plugins_.StopSlot(a.what, a.extra, now_, &inputs_);
    case Act::kInstanceEnded: return plugins_.TellEnded(a.what, a.extra, &inputs_);
    case Act::kCalls: return;  // Not in this world.
    case Act::kLetters:
      seen_to_.erase(static_cast<uint32_t>(a.what));
      bus_.SeeToLetters(static_cast<uint32_t>(a.what), mended_, now_);
      return PlanLetters();
    case Act::kGoOn: return GoOn(static_cast<uint32_t>(a.what));
    case Act::kChaos: return Chaos();
  }
}

void History::Chaos() {
  if (mended_) return;
  agenda_.Add(now_ + random_.SpreadMicros(phase_.chaos_from, phase_.chaos_to), Act::kChaos);
  const uint32_t weights[] = {phase_.kill, phase_.go_away, phase_.stream, phase_.deploy,
                              phase_.host, phase_.drain,   phase_.pause,  phase_.quarantine};
  uint64_t sum = 0;
  for (uint32_t weight : weights) sum += weight;
  if (sum == 0) return;
  uint64_t roll = random_.Below(sum);
  size_t blow = 0;
  while (roll >= weights[blow]) roll -= weights[blow++];
  switch (blow) {
    case 0: return plugins_.KillSomeInstance(now_);
    case 1: return plugins_.GoAway(now_, &inputs_);
    case 2: return plugins_.BreakSomeStream(now_);
    case 3: return plugins_.Deploy(now_, &inputs_);
    case 4: return EndHost(false);
    case 5: return StartDrain();
    case 6: return TogglePause(static_cast<uint32_t>(random_.Below(bus_.lanes())));
    default: return plugins_.KillQuarantine(now_);
  }
}

void History::PlanGoOn() {
  for (uint32_t lane = 0; lane < bus_.lanes(); ++lane) {
    const bool stopped = dispatcher_->stats(scenario_.options.lanes[lane].id).stopped;
    if (!stopped || !going_on_.insert(lane).second) continue;
    agenda_.Add(now_ + random_.SpreadMicros(10, mended_ ? 10'000 : 3'000'000), Act::kGoOn, lane);
  }
}

void History::PlanLetters() {
  for (uint32_t lane = 0; lane < bus_.lanes(); ++lane) {
    if (!scenario_.options.lanes[lane].parks || !bus_.HasLetters(lane)) continue;
    if (!seen_to_.insert(lane).second) continue;
    agenda_.Add(now_ + random_.SpreadMicros(10, mended_ ? 10'000 : 3'000'000), Act::kLetters, lane);
  }
}

// As who looks at the bus: first what the lane made of letters, then, later, what is to follow.
void History::GoOn(uint32_t lane) {
  const lane::LaneOptions& options = scenario_.options.lanes[lane];
  const lane::LaneStats& stats = dispatcher_->stats(options.id);
  going_on_.erase(lane);
  if (stats.dying > 0) return;
  const bool outdated = !mended_ && stats.stops > 1 && random_.Chance(0.2);
  inputs_.push_back(lane::GoOn{options.id, outdated ? stats.stops - 1 : stats.stops});
}

void History::TogglePause(uint32_t lane) {
  if (!mended_ && scenario_.options.lanes[lane].stops && random_.Chance(0.3)) {
    inputs_.push_back(lane::StopLane{scenario_.options.lanes[lane].id});
    return;
  }
  const bool paused = paused_.insert(lane).second;
  if (!paused) paused_.erase(lane);
  inputs_.push_back(lane::PauseLane{scenario_.options.lanes[lane].id, paused});
}

void History::StartDrain() {
  if (draining_) return;
  draining_ = true;
  inputs_.push_back(
      lane::StartDrain{now_ + Duration(random_.Chance(0.2) ? 0 : random_.Spread(100, 3'000'000))});
}

void History::FeedAll() {
  for (size_t i = 0; i < inputs_.size() && !oracle_.failed(); ++i) {
    lane::Input input = std::move(inputs_[i]);
    Feed(std::move(input));
  }
  inputs_.clear();
}

void History::Feed(lane::Input input) {
  ++steps_;
  if (trace_) Trace(stdout, steps_, input, now_);
  oracle_.OnInput(input, now_);
  effects_.Clear();
  dispatcher_->Step(std::move(input), now_, &effects_);
  if (trace_) Trace(stdout, effects_, now_);
  oracle_.OnStep(effects_, *dispatcher_, now_);
  if (!oracle_.failed()) Carry();
  if (!oracle_.failed()) PlanGoOn();
  if (!oracle_.failed()) PlanLetters();
}

// Carries the effects out.
void History::Carry() {
  if (effects_.known) known_ = *effects_.known;
  for (bus::Settlement& settlement : effects_.settlements) bus_.Settle(std::move(settlement), now_);
  for (const lane::SetCredit& credit : effects_.credits)
    bus_.SetCredit(bus_.LaneOf(credit.lane), credit.more, now_);
  for (const lane::SendFrame& frame : effects_.frames) plugins_.OnFrame(frame, now_);
  for (const lane::CancelDeliveries& cancel : effects_.cancels) plugins_.OnCancel(cancel, now_);
  for (const lane::CloseSession& close : effects_.closes) plugins_.OnClose(close, now_);
  for (const lane::ReplaceInstance& replace : effects_.replaces)
    plugins_.OnReplace(replace, now_, &inputs_);
  plugins_.OnWantsQuarantine(effects_.wants_quarantine, now_);
  if (!bus_.complaint().empty()) return oracle_.Fail("one settle", bus_.complaint());
  if (effects_.wake_at != wake_at_) {
    wake_at_ = wake_due_ = effects_.wake_at;
    if (wake_at_ != kNever && random_.Chance(scenario_.late_timer))
      wake_due_ += random_.SpreadMicros(1, 20'000);
  }
  host_done_ = effects_.drained;
}

std::string History::Describe() const {
  std::string text = bus_.Describe() + "circuit " +
                     std::to_string(static_cast<int>(dispatcher_->circuit())) + ", suspects:";
  for (const lane::SuspectView& view : dispatcher_->suspects()) {
    text += " " + view.event_id + "/lane " + std::to_string(view.lane) + "/ends " +
            std::to_string(view.ends) + (view.set_aside ? "/aside" : "");
  }
  return text;
}

// Everything works from now on, and so everything must come to its end.
void History::Mend() {
  phase_ = MendedPhase();
  mended_ = true;
  plugins_.Mend(now_);
  while (!paused_.empty()) TogglePause(*paused_.begin());
  FeedAll();
  PlanLetters();
  if (trace_) std::printf("======== all is mended\n");
  const uint64_t limit = steps_ + 20'000;
  uint32_t controls = 0;
  uint64_t next_control = steps_ + 200;
  while (!oracle_.failed() && !(bus_.AllEnded() && oracle_.outstanding() == 0)) {
    if (steps_ > limit - 15'000 && !scenario_.killers_mended &&
        dispatcher_->circuit() != lane::CircuitState::kClosed) {
      // Killers alone can be tried, all else waits behind their keys: that takes a person.
      coverage_->Saw(Cover::kKillersLeft);
      scenario_.killers_mended = true;
    }
    if (steps_ > limit) {
      Stop("liveness", "no end in 20000 steps after all is mended: " + Describe());
      return;
    }
    const bool idle = agenda_.empty() && wake_due_ == kNever;
    // A conviction needs the success of another event, so there has to be one.
    if ((idle || steps_ >= next_control) && oracle_.suspects() > 0 && controls++ < 300) {
      bus_.PublishControl(static_cast<uint32_t>(random_.Below(bus_.lanes())), now_);
      next_control = steps_ + 50;
      if (idle && agenda_.empty()) {
        now_ += std::chrono::seconds(1);
      }
      continue;
    }
    if (!Advance()) {
      if (!oracle_.failed())
        Stop("liveness", "nothing moves any more after all is mended: " + Describe());
      return;
    }
  }
  if (!oracle_.failed()) CheckEnd();
}

void History::CheckEnd() {
  for (uint32_t lane = 0; lane < bus_.lanes(); ++lane) {
    for (const BusEvent& event : bus_.events(lane)) {
      if (event.killer && !scenario_.killers_mended && event.state == BusEvent::State::kDone) {
        Stop("killer", "a killer counts as done: " + std::string(event.event.id()));
        return;
      }
    }
  }
  if (!dispatcher_->suspects().empty())
    Stop("suspects", "there are suspects left though every event has ended");
  if (oracle_.failed()) return;
  while (draining_ && !oracle_.failed() && Advance()) {
  }
  StartDrain();
  Feed(std::move(inputs_.back()));
  if (!oracle_.failed() && !host_done_)
    Stop("drain", "a drain without deliveries is not complete at once");
}

}  // namespace outboard::simulation
