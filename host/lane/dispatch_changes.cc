// A person pauses a lane, or another config says how events are to be treated.
#include <algorithm>
#include <utility>

#include "host/base/status.h"
#include "host/lane/dispatcher_impl.h"

namespace outboard::lane {

void Dispatcher::Impl::On(PauseLane& in) {
  Lane* lane = lane_by_id.at(in.lane);
  if (lane->paused == in.paused) return;
  lane->paused = lane->stats.paused = in.paused;
  if (lane->paused) RunDry(lane);
}

void Dispatcher::Impl::On(GoOn& in) {
  Lane* lane = lane_by_id.at(in.lane);
  if (lane->stats.stops == in.stops) SetStopped(lane, false);
}

void Dispatcher::Impl::On(FirstStopped& in) { SetStopped(lane_by_id.at(in.lane), in.stopped); }

void Dispatcher::Impl::Stop(Lane* lane) {
  if (!lane->options().stops) return;
  ++lane->stats.stops;
  SetStopped(lane, true);
}

void Dispatcher::Impl::SetStopped(Lane* lane, bool stopped) {
  if (lane->stats.stopped == stopped) return;
  lane->stats.stopped = lane->runs_dry = stopped;
  if (!stopped || !lane->options().first) return;
  Notify(Notice::Kind::kStopped, nullptr, lane->options().name);
  out->notices.back().lane = lane->options().id;
}

void Dispatcher::Impl::RunDry() {
  for (auto& lane : lanes) {
    if (std::exchange(lane->runs_dry, false)) RunDry(lane.get());
  }
}

void Dispatcher::Impl::TellStop(Lane& lane) {
  if (!lane.options().first || !lane.options().next) return;
  if (lane.stats.stopped != std::exchange(lane.told_stopped, lane.stats.stopped))
    out->stops.push_back({lane.options().id, lane.stats.stopped});
}

// Suspects go back as well: they would keep what waits behind them, and who tries them next learns
// anew.
void Dispatcher::Impl::RunDry(Lane* lane) {
  if (draining) return;
  ReturnUnsent(lane, false);
  std::vector<Item*> held;
  for (const auto& [sequence, item] : suspects) held.push_back(item);
  held.insert(held.end(), set_aside.begin(), set_aside.end());
  for (Item* item : held) {
    if (item->lane == lane) Return(item);
  }
  // The trial of the circuit has nothing left to try: it looks for an event again.
  if (circuit_tries_suspects && on_trial == nullptr && !SuspectsLeft()) StartCircuitTrial();
}

void Dispatcher::Impl::On(Configure& in) {
  const std::vector<LaneOptions> before = std::move(options.lanes);
  options = std::move(in.options);
  AddComponents();
  for (const LaneOptions& lane : before) {
    const bool stays = std::any_of(options.lanes.begin(), options.lanes.end(),
                                   [&lane](const LaneOptions& now) { return now.id == lane.id; });
    if (!stays) RemoveLane(lane.id);
  }
  for (const LaneOptions& lane : options.lanes) {
    const auto known = lane_by_id.find(lane.id);
    if (known == lane_by_id.end()) {
      AddLane(lane);
    } else {
      const bool stopped = known->second->options().stops;
      known->second->Configure(lane);
      if (stopped != lane.stops && lane.first) {
        if (lane.stops) ++known->second->stats.stops;
        SetStopped(known->second, lane.stops);
      }
    }
  }
}

void Dispatcher::Impl::AddComponents() {
  const size_t count = options.components.size();
  lanes_of.resize(count);
  turn.resize(count);
  forming.resize(count);
  paused_since.resize(count);
  absent_since.resize(count);
  hooks.resize(count);
  operations.resize(count);
}

void Dispatcher::Impl::AddLane(const LaneOptions& lane) {
  OUTBOARD_CHECK(lane.component < lanes_of.size());
  lanes.push_back(std::make_unique<Lane>(lane, options));
  lanes.back()->paused = lanes.back()->stats.paused = lane.paused;
  if (lane.stops && lane.first) {
    lanes.back()->stats.stopped = true;
    lanes.back()->stats.stops = 1;
  }
  lane_by_id[lane.id] = lanes.back().get();
  lanes_of[lane.component].push_back(lanes.back().get());
}

void Dispatcher::Impl::RemoveLane(LaneId id) {
  Lane* lane = lane_by_id.at(id);
  OUTBOARD_CHECK(lane->empty());
  const ComponentId component = lane->options().component;
  std::erase(lanes_of[component], lane);
  turn[component] = 0;
  lane_by_id.erase(id);
  std::erase_if(lanes, [lane](const auto& other) { return other.get() == lane; });
}

}  // namespace outboard::lane
