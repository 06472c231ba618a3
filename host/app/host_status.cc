#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/admin/long_pause.h"
#include "host/app/host_impl.h"
#include "host/app/wiring.h"

// What a running host tells of itself.
namespace outboard::app {

admin::Snapshot Host::Impl::Take() {
  admin::Snapshot snapshot;
  const std::shared_ptr<const Setup> setup = this->setup();
  snapshot.host = setup->config.host.name;
  snapshot.config_path = setup->config.path;
  snapshot.http_address = http_address();
  snapshot.admin_socket = admin_socket_;
  snapshot.started_at = started_at_;
  snapshot.now = clock_.Now();
  snapshot.starting = !running_;
  snapshot.draining = draining_;
  snapshot.bus = bus_->Info();
  snapshot.grpc_address = grpc_address_;
  snapshot.tls = setup->config.host.tls.has_value();
  snapshot.published = ingress_->counters();
  snapshot.probation = {probation_.left(), probation_.convictions()};
  {
    MutexLock lock(mu_);
    snapshot.reloads = reloads_;
  }
  if (lineage_) snapshot.lineage = lineage_->counters();
  if (tokens_) snapshot.refused = tokens_->refusals();
  if (!snapshot.starting) TakePlugins(*setup, &snapshot);
  TakeLanes(&snapshot);
  if (const auto stops = dead_stops()) {
    const std::map<std::string, admin::StoppedBy> stopped_by = stops->stopped_by();
    for (admin::LaneSnapshot& lane : snapshot.lanes) {
      const auto found = stopped_by.find(lane.lane.name);
      if (found != stopped_by.end()) lane.stopped_by = found->second;
    }
  }
  admin::MarkLongPauses(&snapshot);
  return snapshot;
}

std::vector<shard::LaneEvent> Host::Impl::Find(const absl::flat_hash_set<std::string>& ids) {
  WaitUntilStarted();
  std::vector<shard::LaneEvent> found;
  if (!running_) return found;
  for (auto& shard : shards_) {
    for (shard::LaneEvent& event : shard->Find(ids)) found.push_back(std::move(event));
  }
  return found;
}

void Host::Impl::TakePlugins(const Setup& setup, admin::Snapshot* snapshot) {
  const config::Config& config = setup.config;
  std::vector<fleet::PluginStatus> fleet = fleet_->Status();
  std::map<fleet::PluginId, size_t> plugin_at;
  for (const config::Plugin& plugin : config.plugins) {
    const fleet::PluginId id = setup.ids.plugins.at(plugin.name).id;
    plugin_at[id] = snapshot->plugins.size();
    snapshot->plugins.push_back({plugin.name, std::move(fleet[id]), {}});
  }
  std::map<bus::LaneId, size_t> lane_at;
  for (const config::Route& route : config.routes) {
    for (const config::Target& target : route.to) {
      const std::string name = LaneName(route, target);
      lane_at.emplace(setup.ids.lanes.at(name).id, snapshot->lanes.size());
      // Until its shard tells more: a reload may have taken it away.
      shard::LaneStatus& lane = snapshot->lanes.emplace_back().lane;
      lane.name = name;
      lane.route = route.name;
      lane.target = target.text();
      lane.state = "draining";
    }
  }
  snapshot->pipelines.resize(config.pipelines.size());
  snapshot->ingress.resize(config.ingress.size());
  for (size_t at = 0; at < shards_.size(); ++at) {
    shard::Status status = shards_[at]->GetStatus();
    // A reload may be under way: what its config has not is not shown.
    for (shard::PluginStatus& plugin : status.plugins) {
      const auto known = plugin_at.find(plugin.id);
      if (known != plugin_at.end()) snapshot->plugins[known->second].shard = std::move(plugin);
    }
    for (shard::LaneStatus& lane : status.lanes) {
      const auto known = lane_at.find(lane.id);
      if (known != lane_at.end()) snapshot->lanes[known->second].lane = std::move(lane);
    }
    for (size_t i = 0; i < setup.ids.chains.size(); ++i) {
      const Ids::Chain& chain = setup.ids.chains[i];
      if (chain.shard != at || chain.position >= status.pipelines.size()) continue;
      (i < config.pipelines.size() ? snapshot->pipelines[i]
                                   : snapshot->ingress[i - config.pipelines.size()]) =
          std::move(status.pipelines[chain.position]);
    }
  }
}

// What the bus knows of them, and those that the config does not have.
void Host::Impl::TakeLanes(admin::Snapshot* snapshot) {
  absl::StatusOr<std::vector<bus::LaneInfo>> infos = bus_->Lanes();
  if (!infos.ok()) {
    snapshot->bus_problem = std::string(infos.status().message());
    return;
  }
  if (snapshot->starting) return;
  const size_t lanes = snapshot->lanes.size();
  for (bus::LaneInfo& info : *infos) {
    admin::LaneSnapshot* mine = nullptr;
    for (size_t i = 0; i < lanes; ++i) {
      if (snapshot->lanes[i].lane.name == info.name) mine = &snapshot->lanes[i];
    }
    if (mine == nullptr) {
      mine = &snapshot->lanes.emplace_back();
      mine->lane.name = info.name;
      mine->lane.state = "orphan";
    }
    if (info.park_full && mine->lane.state == "running") mine->lane.state = "dead letter";
    mine->bus = std::move(info);
  }
}

}  // namespace outboard::app
