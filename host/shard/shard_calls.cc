// Calls of pipelines, and events before the bus: from the callers to the stages, and back.
#include <utility>

#include "host/shard/shard_impl.h"

namespace outboard::shard {

void Shard::Impl::On(std::vector<Invocation>& invocations) {
  const Time now = clock_->Now();
  pipeline::Walks::Effects effects;
  for (Invocation& invocation : invocations) {
    const bool left = former_pipelines_.count(invocation.pipeline) > 0;
    if (refuses_calls_ || left) {
      pipeline::Answer refused;
      refused.code = absl::StatusCode::kUnavailable;
      refused.failure = {"NOT_READY",
                         left ? "its pipeline was just replaced" : "the host is shutting down", ""};
      invocation.done(std::move(refused));
      continue;
    }
    callers_[invocation.id] = std::move(invocation.done);
    walks_.Start(invocation.id, invocation.pipeline, std::move(invocation.call),
                 invocation.deadline, now, &effects);
  }
  CarryOut(effects);
  StepHops();
}

void Shard::Impl::On(CallsGivenUp& message) {
  pipeline::Walks::Effects effects;
  for (const uint64_t id : message.ids) {
    callers_.erase(id);
    walks_.Cancel(id, clock_->Now(), &effects);
  }
  CarryOut(effects);
  StepHops();
}

void Shard::Impl::CarryOut(pipeline::Walks::Effects& effects) {
  // It grows meanwhile: a call to a stage that its plugin disabled ends here.
  for (size_t i = 0; i < effects.calls.size(); ++i) {
    const lane::LaneId lane = effects.calls[i].lane;
    const std::string* why = WhyDisabled(lane);
    if (why == nullptr) {
      hops_.Call(std::move(effects.calls[i]));
      continue;
    }
    lane::CallEnd end;
    end.call = effects.calls[i].call;
    end.kind = lane::CallEnd::Kind::kUnavailable;
    end.failure = {"DISABLED", "disabled by its plugin: " + *why, ""};
    walks_.Take(std::move(end), clock_->Now(), &effects);
  }
  for (const auto& [lane, id] : effects.cancels) hops_.GiveUp(lane, id);
  for (auto& [id, answer] : effects.answers) {
    const auto caller = callers_.find(id);
    if (caller == callers_.end()) continue;
    const Invocation::Done done = std::move(caller->second);
    callers_.erase(caller);
    done(std::move(answer));
  }
}

// Null: it is not.
const std::string* Shard::Impl::WhyDisabled(lane::LaneId lane) const {
  const Plugin& plugin = *plugins_[hops_.DispatcherOf(lane)];
  if (plugin.disabled.empty()) return nullptr;
  const auto disabled = plugin.disabled.find(hops_.OptionsOf(lane).component);
  return disabled == plugin.disabled.end() ? nullptr : &disabled->second;
}

void Shard::Impl::TakeCallEnds(std::vector<lane::CallEnd> ends) {
  pipeline::Walks::Effects effects;
  for (lane::CallEnd& end : ends) walks_.Take(std::move(end), clock_->Now(), &effects);
  CarryOut(effects);
}

void Shard::Impl::EndLateCalls() {
  if (walks_.NextDue() > clock_->Now()) return;
  pipeline::Walks::Effects effects;
  walks_.FireTimers(clock_->Now(), &effects);
  CarryOut(effects);
  StepHops();
}

}  // namespace outboard::shard
