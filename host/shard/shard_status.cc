// The snapshot for status and metrics.
#include <future>
#include <utility>

#include "host/base/status.h"
#include "host/shard/shard_impl.h"

namespace outboard::shard {

uint64_t Shard::Impl::Unsettled(const lane::LaneStats& stats) {
  return stats.ready + stats.parked + stats.held + stats.in_flight + stats.forwarded +
         stats.settling;
}

std::string Shard::Impl::HopState(const Plugin& plugin, const lane::LaneOptions& lane,
                                  const lane::LaneStats& stats) const {
  if (draining_ || leaving_.count(hops_.LaneOf(lane.id)) > 0) return "draining";
  if (stats.paused) return "stopped";
  if (stats.stopped) return "dead letter";
  if (plugin.dispatcher->circuit() != lane::CircuitState::kClosed) return "circuit";
  const Session* usable = nullptr;
  for (const auto& [id, session] : sessions_) {
    const bool mine = session->plugin == &plugin && session->component == lane.component &&
                      session->opened && !session->closing && !session->ended &&
                      !session->life->instance.quarantine;
    if (mine) usable = session.get();
  }
  if (usable == nullptr)
    return plugin.disabled.count(lane.component) > 0 ? "disabled" : "no session";
  if (plugin.dispatcher->paused_since(lane.component)) return "paused";
  return stats.probing ? "probing" : "running";
}

StageStatus Shard::Impl::ToStage(const lane::LaneOptions& hop) const {
  const Plugin& plugin = *plugins_[hops_.DispatcherOf(hop.id)];
  StageStatus out;
  out.stage = plugin.options.dispatcher.components[hop.component];
  out.stats = plugin.dispatcher->stats(hop.id);
  out.state = HopState(plugin, hop, out.stats);
  out.observes = hop.observes;
  if (hop.observes) out.missed = hops_.missed(hop.id);
  return out;
}

// The state of a lane is that of the first hop that holds it up.
LaneStatus Shard::Impl::ToStatus(const Plugin& plugin, const lane::LaneOptions& lane) const {
  LaneStatus out;
  out.id = lane.id;
  out.name = lane.name;
  out.route = lane.route;
  out.stats = plugin.dispatcher->stats(lane.id);
  if (drain_failed_) out.abandoned = Unsettled(out.stats);
  out.state = "running";
  for (const lane::LaneOptions* hop = &lane;; hop = &hops_.OptionsOf(*hop->next)) {
    const Plugin& its = *plugins_[hops_.DispatcherOf(hop->id)];
    const std::string state = HopState(its, *hop, its.dispatcher->stats(hop->id));
    if (out.state == "running" && !hop->fail_open) {
      out.state = state;
      if (state == "paused") out.paused_since = its.dispatcher->paused_since(hop->component);
    }
    for (const lane::LaneId observer : hops_.ObserversOf(hop->id))
      out.stages.push_back(ToStage(hops_.OptionsOf(observer)));
    if (!hop->next) {
      out.target = its.options.dispatcher.components[hop->component];
      break;
    }
    out.stages.push_back(ToStage(*hop));
  }
  if (lane.next) out.stats.in_flight += out.stats.forwarded;
  const auto reasons = dead_by_reason_.find(lane.id);
  if (reasons != dead_by_reason_.end()) out.dead_by_reason = reasons->second;
  return out;
}

PipelineStatus Shard::Impl::ToStatus(size_t pipeline) const {
  PipelineStatus out;
  if (former_pipelines_.count(pipeline) > 0) return out;
  out.name = walks_.pipelines()[pipeline].name;
  out.stats = walks_.stats(pipeline);
  for (const pipeline::Stage& stage : walks_.pipelines()[pipeline].stages)
    out.stages.push_back(ToStage(hops_.OptionsOf(stage.lane)));
  return out;
}

std::vector<LaneEvent> Shard::Impl::Find(const absl::flat_hash_set<std::string>& ids) {
  std::promise<std::vector<LaneEvent>> promise;
  Post(Task([&] {
    std::vector<LaneEvent> found;
    for (const auto& plugin : plugins_) {
      for (lane::EventView& view : plugin->dispatcher->Find(ids)) {
        const lane::LaneOptions& hop = hops_.OptionsOf(view.lane);
        found.push_back(
            {hop.name, plugin->options.dispatcher.components[hop.component], std::move(view)});
      }
    }
    promise.set_value(std::move(found));
  }));
  return promise.get_future().get();
}

Status Shard::Impl::GetStatus() {
  std::promise<Status> promise;
  Post(Task([this, &promise] {
    Status status;
    status.draining = draining_;
    for (const auto& plugin : plugins_) {
      const lane::Dispatcher& dispatcher = *plugin->dispatcher;
      PluginStatus p = plugin->status;
      p.circuit = dispatcher.circuit();
      p.circuit_reason = dispatcher.circuit_reason();
      p.suspects = dispatcher.suspects();
      for (lane::SuspectView& suspect : p.suspects) suspect.lane = hops_.LaneOf(suspect.lane);
      p.late_answers = dispatcher.late_answers();
      p.protocol_errors += dispatcher.protocol_errors();
      for (const lane::SessionView& view : dispatcher.sessions()) {
        const Session* session = Find(view.session);
        if (session != nullptr) p.loads.push_back({session->life->instance.uid, view.in_flight});
      }
      status.plugins.push_back(std::move(p));
      for (const lane::LaneOptions& lane : plugin->options.dispatcher.lanes) {
        if (lane.first && !lane.calls) status.lanes.push_back(ToStatus(*plugin, lane));
      }
    }
    for (size_t i = 0; i < walks_.pipelines().size(); ++i) status.pipelines.push_back(ToStatus(i));
    promise.set_value(std::move(status));
  }));
  return promise.get_future().get();
}

}  // namespace outboard::shard
