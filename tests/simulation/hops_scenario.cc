#include "tests/simulation/hops_scenario.h"

#include <algorithm>

#include "tests/simulation/samples.h"

namespace outboard::simulation {
namespace {

constexpr lane::LaneId kFirstCallLane = 1000;
constexpr uint32_t kMostHops = 4;  // Of a lane, with its observers; there is room for 7 ids.

// A component of its own for each hop: what it hooks is its own too.
lane::ComponentId AddComponent(Scenario* plugin, lane::Role role, bool hooks, Random* random) {
  ComponentTraits component = MakeComponent(random);
  component.role = role;
  if (role == lane::Role::kStage) component.in_order = false;
  if (!hooks) component.event_types = {"other.#"};
  plugin->components.push_back(component);
  plugin->options.components.push_back("component" + std::to_string(plugin->components.size()));
  return static_cast<lane::ComponentId>(plugin->components.size() - 1);
}

std::vector<HopTraits> MakeHops(uint32_t lane, uint32_t plugins, Random* random) {
  std::vector<HopTraits> hops(random->Between(1, kMostHops));
  for (HopTraits& hop : hops) {
    const bool target = &hop == &hops.back();
    hop.plugin = static_cast<uint32_t>(random->Below(plugins));
    if (target) continue;
    hop.hooks = random->Chance(0.8);
    hop.fail_open = random->Chance(0.3);
    hop.observes = random->Chance(0.2);
    if (hop.observes) hop.fail_open = false;
  }
  // The first that takes from the bus has the lane's own id.
  lane::LaneId next_id = 10 + 7 * lane + 1;
  bool first = true;
  for (HopTraits& hop : hops) {
    hop.id = first && !hop.observes ? 10 + 7 * lane : next_id++;
    first = first && hop.observes;
  }
  return hops;
}

void AddLane(uint32_t number, HopsScenario* s, Random* random) {
  s->hops.push_back(MakeHops(number, static_cast<uint32_t>(s->plugins.size()), random));
  s->world.lanes.push_back(MakeLaneTraits(s->steps, random));
  const lane::LaneOptions common = MakeLaneOptions(number, 1, random);
  std::optional<lane::LaneId> next;
  const std::vector<HopTraits>& hops = s->hops.back();
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    lane::LaneOptions lane = common;
    lane.id = hop->id;
    lane.role = hop == hops.rbegin() ? lane::Role::kWorker : lane::Role::kStage;
    lane.first = hop->id == common.id;
    lane.next = next;
    lane.fail_open = hop->fail_open;
    lane.observes = hop->observes;
    Scenario& plugin = s->plugins[hop->plugin];
    if (random->Chance(0.2)) lane.time_limit = random->SpreadMicros(100'000, 4'000'000);
    lane.component = AddComponent(&plugin, lane.role, hop->hooks, random);
    plugin.options.lanes.push_back(lane);
    if (!hop->observes) next = hop->id;
  }
  lane::LaneOptions first = common;
  s->world.options.lanes.push_back(first);
}

void AddStage(uint32_t position, HopsScenario* s, Random* random) {
  HopTraits stage;
  stage.plugin = static_cast<uint32_t>(random->Below(s->plugins.size()));
  stage.id = kFirstCallLane + position;
  Scenario& plugin = s->plugins[stage.plugin];
  lane::LaneOptions lane;
  lane.id = stage.id;
  lane.name = "pipeline/stage" + std::to_string(position);
  lane.role = lane::Role::kStage;
  lane.calls = true;
  if (random->Chance(0.3)) lane.time_limit = random->SpreadMicros(100'000, 4'000'000);
  lane.component = AddComponent(&plugin, lane.role, true, random);
  std::vector<std::string>& hooked = plugin.components.back().operations;
  if (random->Chance(0.5)) {
    hooked = {"*"};
  } else {
    for (const std::string& operation : s->operations) {
      if (random->Chance(0.5)) hooked.push_back(operation);
    }
  }
  plugin.options.lanes.push_back(lane);
  s->stages.push_back(stage);
}

}  // namespace

HopsScenario MakeHopsScenario(uint64_t seed, uint32_t steps, Random* random) {
  HopsScenario s;
  const auto drawn = static_cast<uint32_t>(200'000 / random->Between(100, 1'000));
  s.steps = steps != 0 ? steps : drawn;
  s.operations = {"create", "delete", "list"};
  const bool mended = random->Chance(0.5);
  for (uint64_t i = random->Between(1, 3); i > 0; --i) {
    Scenario& plugin = s.plugins.emplace_back();
    plugin.seed = seed;
    plugin.options = MakeOptions(random);
    plugin.options.plugin = "plugin" + std::to_string(i);
    plugin.options.absent_after = random->SpreadMicros(100'000, 10'000'000);
    plugin.instances = static_cast<uint32_t>(random->Between(1, 2));
    if (plugin.options.remote) plugin.streams_fail = 0.4;
    plugin.killers_mended = mended;
    plugin.killer_hops = kMostHops;
  }
  for (uint32_t i = 0, lanes = static_cast<uint32_t>(random->Between(1, 2)); i < lanes; ++i)
    AddLane(i, &s, random);
  for (uint32_t i = 0, stages = static_cast<uint32_t>(random->Between(1, 3)); i < stages; ++i)
    AddStage(i, &s, random);
  s.world.killers_mended = mended;
  s.calls = static_cast<uint32_t>(random->Between(5, 20 + s.steps / 10));
  for (uint32_t left = s.steps; left > 0;) {
    Phase p = MakePhase(random);
    p.halt = 0.1;
    p.change = 0.2;
    p.steps = std::min<uint32_t>(left, static_cast<uint32_t>(random->Between(50, 400)));
    left -= p.steps;
    s.phases.push_back(p);
  }
  return s;
}

}  // namespace outboard::simulation
