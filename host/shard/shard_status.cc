// The snapshot for status and metrics.
#include <future>
#include <utility>

#include "host/shard/shard_impl.h"

namespace outboard::shard {

uint64_t Shard::Impl::Unsettled(const lane::LaneStats& stats) {
  return stats.ready + stats.parked + stats.held + stats.in_flight + stats.settling;
}

std::string Shard::Impl::LaneState(const Plugin& plugin, const lane::LaneOptions& lane,
                                   const lane::LaneStats& stats) const {
  if (draining_) return "draining";
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
      p.late_answers = dispatcher.late_answers();
      p.protocol_errors += dispatcher.protocol_errors();
      for (const lane::SessionView& view : dispatcher.sessions()) {
        const Session* session = Find(view.session);
        if (session != nullptr) p.loads.push_back({session->life->instance.uid, view.in_flight});
      }
      status.plugins.push_back(std::move(p));
      for (const lane::LaneOptions& lane : plugin->options.dispatcher.lanes) {
        LaneStatus l;
        l.id = lane.id;
        l.name = lane.name;
        l.route = lane.route;
        l.target = plugin->options.dispatcher.components[lane.component];
        l.stats = dispatcher.stats(lane.id);
        if (drain_failed_) l.abandoned = Unsettled(l.stats);
        l.state = LaneState(*plugin, lane, l.stats);
        if (l.state == "paused") l.paused_since = dispatcher.paused_since(lane.component);
        const auto reasons = dead_by_reason_.find(lane.id);
        if (reasons != dead_by_reason_.end()) l.dead_by_reason = reasons->second;
        status.lanes.push_back(std::move(l));
      }
    }
    promise.set_value(std::move(status));
  }));
  return promise.get_future().get();
}

}  // namespace outboard::shard
