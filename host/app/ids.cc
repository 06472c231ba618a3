#include "host/app/ids.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/base/status.h"

namespace outboard::app {
namespace {

// Names of plugins that have to be on one shard, since events or calls go from one to the next.
std::vector<std::vector<std::string>> Together(const config::Config& config) {
  std::vector<std::vector<std::string>> groups;
  for (const config::Route& route : config.routes) {
    if (route.stages.empty()) continue;
    std::vector<std::string>& group = groups.emplace_back();
    for (const config::Stage& stage : route.stages) group.push_back(stage.component.plugin);
    for (const config::Target& target : route.to) group.push_back(target.plugin);
  }
  for (const Chain& chain : ChainsOf(config)) {
    std::vector<std::string>& group = groups.emplace_back();
    for (const config::Stage& stage : *chain.stages) group.push_back(stage.component.plugin);
  }
  return groups;
}

// By plugin of the config: the first one of those that it has to be with.
std::vector<size_t> Leaders(const config::Config& config) {
  std::map<std::string, size_t> place;
  for (size_t i = 0; i < config.plugins.size(); ++i) place[config.plugins[i].name] = i;
  // Each points at an earlier one of its own, the first of all at itself.
  std::vector<size_t> earlier(config.plugins.size());
  std::iota(earlier.begin(), earlier.end(), 0);
  const auto first = [&](size_t at) {
    while (earlier[at] != at) at = earlier[at];
    return at;
  };
  for (const std::vector<std::string>& group : Together(config)) {
    for (const std::string& name : group) {
      const size_t a = first(place.at(group[0]));
      const size_t b = first(place.at(name));
      earlier[std::max(a, b)] = std::min(a, b);
    }
  }
  std::vector<size_t> leaders;
  for (size_t i = 0; i < config.plugins.size(); ++i) leaders.push_back(first(i));
  return leaders;
}

absl::Status AssignPlugins(const config::Config& config, Ids* ids) {
  const size_t shards = std::max<uint32_t>(config.host.shards, 1);
  const std::vector<size_t> leaders = Leaders(config);
  // By leader: the shard of those of its group that have one, and one that has.
  std::map<size_t, std::pair<size_t, std::string>> taken;
  for (size_t i = 0; i < config.plugins.size(); ++i) {
    const std::string& name = config.plugins[i].name;
    const auto known = ids->plugins.find(name);
    if (known == ids->plugins.end()) continue;
    const auto [group, first] = taken.try_emplace(leaders[i], known->second.shard, name);
    if (first || group->second.first == known->second.shard) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("plugins ", group->second.second, " and ", name,
                     " would have to be on one shard: restart the host to move them there"));
  }
  for (size_t i = 0; i < config.plugins.size(); ++i) {
    const auto [plugin, is_new] = ids->plugins.try_emplace(config.plugins[i].name);
    if (!is_new) continue;
    plugin->second.id = static_cast<fleet::PluginId>(ids->plugins.size() - 1);
    const auto group = taken.find(leaders[i]);
    plugin->second.shard = group == taken.end() ? leaders[i] % shards : group->second.first;
  }
  return absl::OkStatus();
}

// The plugin's component of that name and use joins its list where it is new.
void Want(const config::Target& named, plugin::Use use, Ids* ids) {
  std::vector<shard::ComponentOptions>& all = ids->plugins.at(named.plugin).components;
  for (shard::ComponentOptions& component : all) {
    if (component.name != named.component || component.use != use) continue;
    component.wanted = true;
    return;
  }
  all.push_back({named.component, use});
}

void AssignComponents(const config::Config& config, Ids* ids) {
  for (auto& [name, plugin] : ids->plugins) {
    for (shard::ComponentOptions& component : plugin.components) component.wanted = false;
  }
  for (const config::Route& route : config.routes) {
    for (const config::Stage& stage : route.stages) Want(stage.component, plugin::Use::kStage, ids);
    for (const config::Target& target : route.to) Want(target, plugin::Use::kTarget, ids);
  }
  for (const Chain& chain : ChainsOf(config)) {
    for (const config::Stage& stage : *chain.stages)
      Want(stage.component, plugin::Use::kStage, ids);
  }
}

std::string StagesText(const std::vector<config::Stage>& stages) {
  std::string text;
  for (const config::Stage& stage : stages) {
    absl::StrAppend(&text, stage.component.text(), stage.fail_open ? " open" : "",
                    stage.observe ? " observes" : "", ",");
  }
  return text;
}

std::vector<bus::LaneId> Take(size_t count, Ids* ids) {
  std::vector<bus::LaneId> out(count);
  std::iota(out.begin(), out.end(), ids->next_lane);
  ids->next_lane += static_cast<bus::LaneId>(count);
  return out;
}

std::string FilterText(const config::Route& route) {
  return absl::StrCat(route.service, ":", absl::StrJoin(route.events, ","));
}

// What of a lane is fixed while the bus has it open. A queue of a broker is known by its filter,
// and one of a singleton on any bus, which all lanes with that filter share.
std::string QueueText(const config::Config& config, const config::Route& route) {
  const bool shared = route.mode == config::DeliveryMode::kSingleton;
  if (!shared && config.bus.kind != "rabbitmq") return "";
  std::string text = FilterText(route);
  for (const config::Route& other : config.routes) {
    if (!shared || other.mode != route.mode || FilterText(other) != FilterText(route)) continue;
    for (const config::Target& target : other.to)
      absl::StrAppend(&text, " ", LaneName(other, target));
  }
  return text;
}

void AssignLanes(const config::Config& config, const Ids& former, Ids* ids) {
  ids->lanes.clear();
  for (const config::Route& route : config.routes) {
    const std::string made_of = absl::StrCat(
        static_cast<int>(route.mode), route.reliable ? " reliable " : " ", StagesText(route.stages),
        " by ", route.order_by, " ", QueueText(config, route));
    const auto first = std::find_if(route.stages.begin(), route.stages.end(),
                                    [](const config::Stage& stage) { return !stage.observe; });
    for (const config::Target& target : route.to) {
      const std::string name = LaneName(route, target);
      const auto known = former.lanes.find(name);
      Ids::Lane& lane = ids->lanes[name];
      if (known != former.lanes.end() && known->second.made_of == made_of) {
        lane = known->second;
        continue;
      }
      lane.made_of = made_of;
      lane.hops = Take(route.stages.size() + 1, ids);
      lane.id = lane.hops[static_cast<size_t>(first - route.stages.begin())];
    }
  }
}

void AssignChains(const config::Config& config, const Ids& former, Ids* ids) {
  ids->chains.clear();
  ids->next_position.resize(std::max<uint32_t>(config.host.shards, 1));
  const std::vector<Chain> chains = ChainsOf(config);
  for (size_t i = 0; i < chains.size(); ++i) {
    const std::string made_of = absl::StrCat(i < config.pipelines.size() ? "pipeline " : "ingress ",
                                             chains[i].name, ": ", StagesText(*chains[i].stages));
    const auto known =
        std::find_if(former.chains.begin(), former.chains.end(),
                     [&made_of](const Ids::Chain& chain) { return chain.made_of == made_of; });
    if (known != former.chains.end()) {
      ids->chains.push_back(*known);
      continue;
    }
    Ids::Chain& chain = ids->chains.emplace_back();
    chain.made_of = made_of;
    chain.stages = Take(chains[i].stages->size(), ids);
    chain.shard = ids->plugins.at(chains[i].stages->front().component.plugin).shard;
    chain.position = ids->next_position[chain.shard]++;
  }
}

}  // namespace

std::string LaneName(const config::Route& route, const config::Target& target) {
  return absl::StrCat(route.name, "/", target.text());
}

std::vector<Chain> ChainsOf(const config::Config& config) {
  std::vector<Chain> chains;
  for (const config::Pipeline& pipeline : config.pipelines)
    chains.push_back({pipeline.name, &pipeline.stages});
  for (const config::Ingress& ingress : config.ingress)
    chains.push_back({ingress.name, &ingress.stages});
  return chains;
}

absl::StatusOr<Ids> AssignIds(const config::Config& config, const Ids& former) {
  Ids ids = former;
  OUTBOARD_RETURN_IF_ERROR(AssignPlugins(config, &ids));
  AssignComponents(config, &ids);
  AssignLanes(config, former, &ids);
  AssignChains(config, former, &ids);
  return ids;
}

Ids Spend(const Ids& before, const Ids& tried) {
  Ids out = before;
  out.next_lane = tried.next_lane;
  out.next_position = tried.next_position;
  for (const auto& [name, plugin] : tried.plugins) {
    Ids::Plugin& mine =
        out.plugins.try_emplace(name, Ids::Plugin{plugin.id, plugin.shard, {}}).first->second;
    // A session of such a component may still be there, under its place.
    for (size_t c = mine.components.size(); c < plugin.components.size(); ++c) {
      mine.components.push_back(plugin.components[c]);
      mine.components.back().wanted = false;
    }
  }
  return out;
}

}  // namespace outboard::app
