#include "tests/simulation/hops_history.h"

#include <algorithm>
#include <cstdio>

#include "tests/simulation/samples.h"
#include "tests/simulation/trace.h"

namespace outboard::simulation {

HopsHistory::HopsHistory(uint64_t seed, uint32_t steps, bool trace, Coverage* coverage)
    : random_(seed),
      coverage_(coverage),
      trace_(trace),
      scenario_(MakeHopsScenario(seed, steps, &random_)),
      bus_(scenario_.world, &random_, &agenda_, coverage),
      oracle_(scenario_, bus_, coverage) {
  for (const Scenario& plugin : scenario_.plugins)
    plugins_.emplace_back(plugin, bus_, &random_, coverage).plugins.set_phase(&phase_);
}

bool HopsHistory::Stop(const char* invariant, std::string message) {
  oracle_.Fail(invariant, std::move(message));
  return false;
}

void HopsHistory::NewHost() {
  oracle_.NewHost();
  std::vector<const lane::DispatcherOptions*> options;
  for (Plugin& plugin : plugins_) {
    plugin.dispatcher = std::make_unique<lane::Dispatcher>(plugin.options, random_.Next());
    plugin.wake_at = kNever;
    plugin.drained = false;
    options.push_back(&plugin.options);
  }
  hops_ = std::make_unique<lane::Hops>(options);
  pipeline::Pipeline pipeline;
  for (const HopTraits& stage : scenario_.stages)
    pipeline.stages.push_back({HopsOracle::StageName(pipeline.stages.size()), stage.id});
  walks_ = std::make_unique<pipeline::Walks>(std::vector<pipeline::Pipeline>{pipeline});
  callers_.clear();
  draining_ = false;
}

void HopsHistory::EndHost(bool orderly) {
  if (trace_) std::printf("======== the host ends %s\n", orderly ? "in order" : "uncleanly");
  if (orderly && oracle_.calls_under_way() > 0) {
    Stop("drain", "calls are left after a drain");
    return;
  }
  bus_.LoseHost(orderly, now_);
  for (Plugin& plugin : plugins_) plugin.plugins.LoseHost(now_);
  NewHost();
}

bool HopsHistory::Run() {
  NewHost();
  NextPhase();
  for (uint32_t lane = 0; lane < bus_.lanes(); ++lane) agenda_.Add(now_, Act::kPublish, lane);
  agenda_.Add(now_, Act::kCalls);
  for (Plugin& plugin : plugins_) plugin.plugins.Start(now_);
  while (steps_ < scenario_.steps && !oracle_.failed()) {
    if (steps_ >= phase_end_) NextPhase();
    if (!Advance()) break;
  }
  if (!oracle_.failed()) Mend();
  return !oracle_.failed();
}

void HopsHistory::NextPhase() {
  phase_ = scenario_.phases[std::min(next_phase_++, scenario_.phases.size() - 1)];
  phase_.lie = 0;  // The other histories have lies.
  phase_end_ = steps_ + phase_.steps;
  if (trace_) std::printf("======== phase: %s\n", phase_.name);
  if (next_phase_ == 1)
    agenda_.Add(now_ + random_.SpreadMicros(phase_.chaos_from, phase_.chaos_to), Act::kChaos);
}

// ---- What comes next
// ---------------------------------------------------------------------------------

std::pair<Time, size_t> HopsHistory::NextAgenda() {
  std::pair<Time, size_t> next(agenda_.next(), plugins_.size());
  for (size_t i = 0; i < plugins_.size(); ++i) {
    if (plugins_[i].agenda.next() < next.first) next = {plugins_[i].agenda.next(), i};
  }
  return next;
}

Time HopsHistory::NextWake() const {
  Time wake = walks_->NextDue();
  for (const Plugin& plugin : plugins_) wake = std::min(wake, plugin.wake_at);
  return wake;
}

// False if nothing will ever come.
bool HopsHistory::Advance() {
  const Time wake = NextWake();
  const auto [at, which] = NextAgenda();
  if (at == kNever && wake == kNever) return false;
  if (wake <= at) {
    at_one_instant_ = wake <= now_ ? at_one_instant_ + 1 : 0;
    if (at_one_instant_ > 100) return Stop("livelock", "timers again and again at one instant");
    now_ = std::max(now_, wake);
    FireTimers();
  } else {
    at_one_instant_ = 0;
    Agenda& agenda = which == plugins_.size() ? agenda_ : plugins_[which].agenda;
    const Appointment appointment = agenda.Take();
    now_ = std::max(now_, appointment.at);
    if (which == plugins_.size()) {
      DoOfBus(appointment);
    } else {
      DoOfPlugin(static_cast<uint32_t>(which), appointment);
    }
  }
  const bool drained = std::all_of(plugins_.begin(), plugins_.end(),
                                   [](const Plugin& plugin) { return plugin.drained; });
  if (draining_ && drained && !oracle_.failed()) EndHost(true);
  return true;
}

void HopsHistory::FireTimers() {
  for (uint32_t i = 0; i < plugins_.size(); ++i) {
    if (plugins_[i].wake_at > now_) continue;
    plugins_[i].wake_at = kNever;
    Feed(i, lane::TimerFired{});
  }
  if (walks_->NextDue() > now_) return;
  pipeline::Walks::Effects effects;
  walks_->FireTimers(now_, &effects);
  Carry(&effects);
}

void HopsHistory::DoOfBus(const Appointment& a) {
  switch (a.act) {
    case Act::kPublish: return bus_.Publish(static_cast<uint32_t>(a.what), now_);
    case Act::kHandOut: {
      lane::DeliveriesArrived arrived;
      bus_.HandOut(static_cast<uint32_t>(a.what), now_, &arrived.deliveries);
      if (arrived.deliveries.empty()) return;
      for (const bus::Delivery& delivery : arrived.deliveries) oracle_.OnDelivered(delivery);
      hops_->Copy(arrived.deliveries);
      const auto plugin = hops_->DispatcherOf(arrived.deliveries[0].lane);
      return Feed(static_cast<uint32_t>(plugin), std::move(arrived));
    }
    case Act::kReport: {
      std::vector<bus::Settled> settled;
      bus_.Report(phase_, now_, &settled);
      for (bus::Settled& one : settled) {
        lane::SettlesArrived in;
        const auto plugin = static_cast<uint32_t>(hops_->DispatcherOf(one.lane));
        in.settled.push_back(std::move(one));
        Feed(plugin, std::move(in));
      }
      return;
    }
    case Act::kCalls: return CallSome();
    default: return Chaos();
  }
}

void HopsHistory::DoOfPlugin(uint32_t number, const Appointment& a) {
  FakePlugins& plugins = plugins_[number].plugins;
  FakePlugins::Inputs inputs;
  switch (a.act) {
    case Act::kTick: plugins.Tick(a.what, now_, &inputs); break;
    case Act::kLateAnswer: plugins.LateAnswer(a.what, now_, &inputs); break;
    case Act::kSessionDown: plugins.EndSession(a.what, now_, &inputs); break;
    case Act::kLaunch: plugins.Launch(a.what, a.extra, now_, &inputs); break;
    case Act::kSessionUp: plugins.OpenSession(a.what, a.extra, now_, &inputs); break;
    case Act::kStopSlot: plugins.StopSlot(a.what, a.extra, now_, &inputs); break;
    default: plugins.TellEnded(a.what, a.extra, &inputs); break;
  }
  FeedAll(number, &inputs);
}

void HopsHistory::Chaos() {
  if (mended_) return;
  agenda_.Add(now_ + random_.SpreadMicros(phase_.chaos_from, phase_.chaos_to), Act::kChaos);
  const auto number = static_cast<uint32_t>(random_.Below(plugins_.size()));
  FakePlugins& plugins = plugins_[number].plugins;
  FakePlugins::Inputs inputs;
  switch (random_.Below(7)) {
    case 0: plugins.KillSomeInstance(now_); break;
    case 1: plugins.GoAway(now_, &inputs); break;
    case 2: plugins.BreakSomeStream(now_); break;
    case 3:
      if (phase_.deploy > 0) plugins.Deploy(now_, &inputs);
      break;
    case 4:
      if (phase_.host > 0) return EndHost(false);
      break;
    case 5:
      if (phase_.drain > 0) return StartDrain();
      break;
    default: plugins.KillQuarantine(now_); break;
  }
  FeedAll(number, &inputs);
}

void HopsHistory::StartDrain() {
  if (draining_) return;
  draining_ = true;
  oracle_.OnDrain();
  const Time deadline = now_ + Duration(random_.Chance(0.2) ? 0 : random_.Spread(100, 3'000'000));
  for (uint32_t i = 0; i < plugins_.size(); ++i) Feed(i, lane::StartDrain{deadline});
}

void HopsHistory::CallSome() {
  if (next_call_ <= scenario_.calls)
    agenda_.Add(now_ + random_.SpreadMicros(100, 1'000'000), Act::kCalls);
  if (draining_) return;
  pipeline::Walks::Effects effects;
  for (uint64_t n = random_.Between(1, 8); n > 0 && next_call_ <= scenario_.calls; --n) {
    const uint64_t id = next_call_++;
    const auto call =
        SampleCall(id, scenario_.operations[random_.Below(scenario_.operations.size())]);
    const Time deadline =
        random_.Chance(0.5) ? kNever : now_ + random_.SpreadMicros(1'000, 10'000'000);
    if (trace_)
      std::printf("======== call %s of %s\n", call->bytes.c_str(), call->operation.c_str());
    oracle_.OnCall(id, call, deadline);
    callers_.push_back(id);
    walks_->Start(id, 0, call, deadline, now_, &effects);
  }
  Carry(&effects);
  if (oracle_.failed() || callers_.empty() || !random_.Chance(0.3)) return;
  const uint64_t id = callers_[random_.Below(callers_.size())];
  effects = pipeline::Walks::Effects();
  oracle_.OnGivenUp(id);
  walks_->Cancel(id, now_, &effects);
  Carry(&effects);
}

// ---- Steps
// --------------------------------------------------------------------------------------------

void HopsHistory::FeedAll(uint32_t plugin, FakePlugins::Inputs* inputs) {
  // Carrying a step out may yield more.
  for (size_t i = 0; i < inputs->size() && !oracle_.failed(); ++i) {
    lane::Input input = std::move((*inputs)[i]);
    Feed(plugin, std::move(input));
  }
}

void HopsHistory::Feed(uint32_t plugin, lane::Input input) {
  Step(plugin, std::move(input));
  while (!oracle_.failed()) {
    std::optional<lane::Hops::Turn> turn = hops_->Next();
    if (!turn) return;
    Step(static_cast<uint32_t>(turn->dispatcher), std::move(turn->input));
  }
}

void HopsHistory::Step(uint32_t number, lane::Input input) {
  Plugin& plugin = plugins_[number];
  ++steps_;
  if (trace_) {
    std::printf("plugin %u", number);
    Trace(stdout, steps_, input, now_);
  }
  oracle_.OnInput(number, input);
  lane::Effects effects;
  const lane::CircuitState before = plugin.dispatcher->circuit();
  plugin.dispatcher->Step(std::move(input), now_, &effects);
  if (trace_) Trace(stdout, effects, now_);
  hops_->TakeFrom(&effects);
  oracle_.OnEffects(number, effects, *plugin.dispatcher, before);
  if (!oracle_.failed()) Carry(number, &effects);
}

void HopsHistory::Carry(uint32_t number, lane::Effects* effects) {
  Plugin& plugin = plugins_[number];
  for (bus::Settlement& settlement : effects->settlements) bus_.Settle(std::move(settlement), now_);
  for (const lane::SetCredit& credit : effects->credits)
    bus_.SetCredit(bus_.LaneOf(credit.lane), credit.more, now_);
  for (const lane::SendFrame& frame : effects->frames) plugin.plugins.OnFrame(frame, now_);
  for (const lane::CancelDeliveries& cancel : effects->cancels)
    plugin.plugins.OnCancel(cancel, now_);
  for (const lane::CloseSession& close : effects->closes) plugin.plugins.OnClose(close, now_);
  FakePlugins::Inputs inputs;
  for (const lane::ReplaceInstance& replace : effects->replaces)
    plugin.plugins.OnReplace(replace, now_, &inputs);
  plugin.plugins.OnWantsQuarantine(effects->wants_quarantine, now_);
  if (!bus_.complaint().empty()) return oracle_.Fail("one settle", bus_.complaint());
  plugin.wake_at = effects->wake_at;
  plugin.drained = effects->drained;
  if (!effects->call_ends.empty()) {
    pipeline::Walks::Effects walked;
    for (lane::CallEnd& end : effects->call_ends) walks_->Take(std::move(end), now_, &walked);
    for (auto& call : walked.calls) hops_->Call(std::move(call));
    for (const auto& [lane, id] : walked.cancels) hops_->GiveUp(lane, id);
    for (const auto& [id, answer] : walked.answers) oracle_.OnAnswer(id, answer, now_);
  }
  for (lane::Input& input : inputs) Step(number, std::move(input));
}

void HopsHistory::Carry(pipeline::Walks::Effects* effects) {
  for (auto& call : effects->calls) hops_->Call(std::move(call));
  for (const auto& [lane, id] : effects->cancels) hops_->GiveUp(lane, id);
  for (const auto& [id, answer] : effects->answers) oracle_.OnAnswer(id, answer, now_);
  while (!oracle_.failed()) {
    std::optional<lane::Hops::Turn> turn = hops_->Next();
    if (!turn) return;
    Step(static_cast<uint32_t>(turn->dispatcher), std::move(turn->input));
  }
}

// ---- The end
// ------------------------------------------------------------------------------------------

bool HopsHistory::SuspectsLeft() const {
  return std::any_of(plugins_.begin(), plugins_.end(),
                     [](const Plugin& plugin) { return !plugin.dispatcher->suspects().empty(); });
}

bool HopsHistory::Ended() const {
  if (!bus_.AllEnded() || oracle_.calls_under_way() > 0) return false;
  if (bus_.settling() > 0 || SuspectsLeft()) return false;
  // Observers may still have copies.
  return std::all_of(plugins_.begin(), plugins_.end(), [](const Plugin& plugin) {
    return std::all_of(plugin.options.lanes.begin(), plugin.options.lanes.end(),
                       [&](const lane::LaneOptions& lane) {
                         const lane::LaneStats& stats = plugin.dispatcher->stats(lane.id);
                         return stats.ready + stats.in_flight + stats.held + stats.settling == 0;
                       });
  });
}

std::string HopsHistory::Describe() const {
  std::string text = bus_.Describe() + std::to_string(oracle_.calls_under_way()) + " calls; ";
  for (const Plugin& plugin : plugins_) {
    text += plugin.options.plugin + ": circuit " +
            std::to_string(static_cast<int>(plugin.dispatcher->circuit())) + ", suspects";
    for (const lane::SuspectView& view : plugin.dispatcher->suspects())
      text += " " + view.event_id + "/lane " + std::to_string(view.lane);
    for (const lane::LaneOptions& lane : plugin.options.lanes) {
      const lane::LaneStats& stats = plugin.dispatcher->stats(lane.id);
      text += "; " + std::to_string(lane.id) + " ready " + std::to_string(stats.ready) +
              " flying " + std::to_string(stats.in_flight) + " held " + std::to_string(stats.held) +
              " parked " + std::to_string(stats.parked) + " forwarded " +
              std::to_string(stats.forwarded);
    }
    text += ". ";
  }
  return text;
}

// Everything works from now on, and so everything must come to its end.
void HopsHistory::Mend() {
  phase_ = MendedPhase();
  mended_ = true;
  for (Plugin& plugin : plugins_) plugin.plugins.Mend(now_);
  if (trace_) std::printf("======== all is mended\n");
  const uint64_t limit = steps_ + 40'000;
  uint64_t next_control = steps_ + 400;
  uint32_t controls = 0;
  while (!oracle_.failed() && !Ended()) {
    if (steps_ > limit - 30'000 && !scenario_.world.killers_mended) {
      // Killers alone can be tried, all else waits behind their keys: that takes a person.
      coverage_->Saw(Cover::kKillersLeft);
      scenario_.world.killers_mended = true;
      for (Scenario& plugin : scenario_.plugins) plugin.killers_mended = true;
    }
    if (steps_ > limit) {
      Stop("liveness", "no end in 40000 steps after all is mended: " + Describe());
      return;
    }
    // A conviction needs the success of another event, so there has to be one.
    const bool idle = NextAgenda().first == kNever && NextWake() == kNever;
    if ((idle || steps_ >= next_control) && SuspectsLeft() && controls++ < 300) {
      bus_.PublishControl(static_cast<uint32_t>(random_.Below(bus_.lanes())), now_);
      next_control = steps_ + 100;
      if (idle && NextAgenda().first == kNever) now_ += std::chrono::seconds(1);
      continue;
    }
    if (!Advance() && !oracle_.failed()) {
      Stop("liveness", "nothing moves any more after all is mended: " + Describe());
      return;
    }
  }
  if (!oracle_.failed()) CheckEnd();
}

void HopsHistory::CheckEnd() {
  while (draining_ && !oracle_.failed() && Advance()) {
  }
  StartDrain();
  const bool drained = std::all_of(plugins_.begin(), plugins_.end(),
                                   [](const Plugin& plugin) { return plugin.drained; });
  if (!oracle_.failed() && !drained)
    Stop("drain", "a drain without deliveries is not complete at once: " + Describe());
}

}  // namespace outboard::simulation
