#include "host/app/reload.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/app/wiring.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/config/diff.h"
#include "host/plugin/description.h"

namespace outboard::app {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr Duration kLook = std::chrono::milliseconds(20);
// Beyond a plugin's start_timeout, for Describe and for sessions each, and beyond what a stuck
// delivery takes to be given up.
constexpr Duration kSlack = std::chrono::seconds(5);

// Calls that take longer may lose a stage of a pipeline that changed.
constexpr Duration kCalls = std::chrono::seconds(10);

std::string Seconds(Duration duration) {
  return absl::StrCat(std::chrono::duration_cast<std::chrono::seconds>(duration).count(), " s");
}

shard::PluginOptions* Find(shard::ShardOptions* options, fleet::PluginId id) {
  for (shard::PluginOptions& plugin : options->plugins) {
    if (plugin.id == id) return &plugin;
  }
  return nullptr;
}

const config::Plugin* Find(const config::Config& config, const std::string& name) {
  for (const config::Plugin& plugin : config.plugins) {
    if (plugin.name == name) return &plugin;
  }
  return nullptr;
}

// Names of plugins with limits for which the host looks for control groups at its start.
std::vector<std::string> LimitedByCgroup(const config::Config& config) {
  std::vector<std::string> names;
  for (const fleet::PluginSpec& spec : FleetOptions(config).plugins) {
    if (spec.program.limits.by_cgroup()) names.push_back(spec.name);
  }
  return names;
}

}  // namespace

absl::StatusOr<config::ReadResult> ReadAgain(const config::Config& running) {
  if (running.path.empty()) return absl::FailedPreconditionError("there is no config file");
  config::ReadResult read = config::ReadConfigFile(running.path);
  if (read.ok()) return read;
  std::vector<std::string> texts;
  for (const config::ConfigProblem& problem : read.problems) texts.push_back(problem.text());
  return absl::InvalidArgumentError(absl::StrJoin(texts, "\n"));
}

std::vector<config::Change> ChangesOf(const config::Config& before, const config::Config& after) {
  std::vector<config::Change> changes = config::Diff(before, after);
  std::set<std::string> named;
  for (const config::Change& change : changes) {
    if (change.section == "plugin") named.insert(change.name);
  }
  std::map<std::string, std::vector<std::string>> hidden;
  for (const fleet::PluginSpec& spec : FleetOptions(before).plugins)
    hidden[spec.name] = spec.program.sandbox.hide;
  for (const fleet::PluginSpec& spec : FleetOptions(after).plugins) {
    if (named.count(spec.name) > 0) continue;
    const std::vector<std::string>& known = hidden[spec.name];
    std::set<std::string> more(spec.program.sandbox.hide.begin(), spec.program.sandbox.hide.end());
    for (const std::string& path : known) more.erase(path);
    if (more.empty()) continue;
    changes.push_back({config::Change::Kind::kChanged,
                       "plugin",
                       spec.name,
                       {absl::StrCat("sandbox: covers ", absl::StrJoin(more, ", "), ", too")}});
  }
  return changes;
}

absl::Status CheckReload(const config::Config& before, const config::Config& after,
                         const std::vector<config::Change>& changes,
                         const std::set<std::string>& replace) {
  for (const std::string& name : replace) {
    if (Find(after, name) != nullptr) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("no plugin ", name, ": `outboard status` shows which there are"));
  }
  std::vector<std::string> fixed;
  for (const config::Change& change : changes) {
    if (change.section != "host" && change.section != "bus" && change.section != "ingress")
      continue;
    if (change.kind != config::Change::Kind::kChanged) fixed.push_back(config::ToText(change));
    const std::string where =
        absl::StrCat(change.section, change.name.empty() ? "" : " ", change.name);
    for (const std::string& detail : change.details)
      fixed.push_back(absl::StrCat(where, ".", detail));
  }
  for (const config::Plugin& plugin : after.plugins) {
    const config::Plugin* former = Find(before, plugin.name);
    static const config::Plugin kNone;
    const config::Plugin& known = former == nullptr ? kNone : *former;
    if (plugin.publish != known.publish || plugin.token_file != known.token_file)
      fixed.push_back(absl::StrCat("publish or token_file of plugin ", plugin.name));
    if (former == nullptr || former->run.empty() == plugin.run.empty()) continue;
    fixed.push_back(absl::StrCat("plugin ", plugin.name, " goes from ",
                                 plugin.run.empty() ? "run to address" : "address to run",
                                 " (under another name it could)"));
  }
  for (const config::Plugin& plugin : before.plugins) {
    const bool has_token = !plugin.publish.empty() || !plugin.token_file.empty();
    if (has_token && Find(after, plugin.name) == nullptr)
      fixed.push_back(absl::StrCat("the end of plugin ", plugin.name, ", which has a token"));
  }
  const auto names = [](const config::Config& config) {
    std::vector<std::string> out;
    for (const config::Ingress& ingress : config.ingress) out.push_back(ingress.name);
    return out;
  };
  if (fixed.empty() && names(before) != names(after)) fixed.emplace_back("the order of ingress");
  if (LimitedByCgroup(before).empty()) {
    for (const std::string& name : LimitedByCgroup(after))
      fixed.push_back(absl::StrCat("limits of plugin ", name, ", the first ones of this host"));
  }
  if (fixed.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "only a restart of the host can bring this in force: ", absl::StrJoin(fixed, "; ")));
}

Reload::Reload(Parts parts, const Setup& before, const Setup& after, const Setup& undone,
               const std::set<std::string>& replace)
    : parts_(std::move(parts)), before_(before), after_(after), undone_(undone) {
  std::set<std::string> changed = replace;
  for (const config::Change& change : ChangesOf(before.config, after.config)) {
    if (change.section != "plugin") continue;
    if (change.kind == config::Change::Kind::kRemoved) {
      removed_.push_back(change.name);
    } else {
      changed.insert(change.name);
    }
  }
  for (const config::Plugin& plugin : after.config.plugins) {
    if (changed.count(plugin.name) > 0) joining_.push_back(&plugin);
  }
}

absl::Status Reload::Run() {
  absl::Status status = JoinPlugins();
  if (status.ok()) status = EmptyLanes();
  if (status.ok()) status = ChangeLanes();
  if (!status.ok()) {
    Undo();
    return status;
  }
  Finish();
  return absl::OkStatus();
}

// ---- What the shards are to have at each step
// ----------------------------------------------------

Reload::AllOptions Reload::Between(bool left) const {
  AllOptions before = ShardOptions(before_);
  AllOptions out = ShardOptions(after_);
  for (size_t i = 0; i < out.size(); ++i) {
    const std::set<bus::LaneId> kept = shard::LanesOf(out[i]);
    for (shard::PluginOptions& plugin : out[i].plugins) {
      plugin.dispatcher.lanes.clear();
      shard::PluginOptions* former = Find(&before[i], plugin.id);
      if (former == nullptr) continue;
      // Both versions emit until the former one has left.
      std::vector<std::string>& emits = plugin.dispatcher.emits;
      const std::vector<std::string>& others = former->dispatcher.emits;
      if (others.empty()) emits.clear();
      if (!emits.empty()) emits.insert(emits.end(), others.begin(), others.end());
      for (size_t c = 0; c < former->components.size(); ++c)
        plugin.components[c].kept = former->components[c].wanted;
    }
    for (shard::PluginOptions& former : before[i].plugins) {
      std::vector<lane::LaneOptions> lanes = std::move(former.dispatcher.lanes);
      std::erase_if(lanes, [&](const lane::LaneOptions& lane) {
        return left && !lane.calls && kept.count(lane.id) == 0;
      });
      shard::PluginOptions* plugin = Find(&out[i], former.id);
      if (plugin == nullptr) plugin = &out[i].plugins.emplace_back(std::move(former));
      plugin->dispatcher.lanes = std::move(lanes);
    }
    out[i].pipelines = std::move(before[i].pipelines);
  }
  return out;
}

Reload::AllOptions Reload::WithFormerCalls() const {
  AllOptions before = ShardOptions(before_);
  AllOptions out = ShardOptions(after_);
  for (size_t i = 0; i < out.size(); ++i) {
    const std::set<bus::LaneId> there = shard::LanesOf(out[i]);
    for (shard::PluginOptions& former : before[i].plugins) {
      std::vector<lane::LaneOptions> calls = std::move(former.dispatcher.lanes);
      std::erase_if(calls, [&there](const lane::LaneOptions& lane) {
        return !lane.calls || there.count(lane.id) > 0;
      });
      shard::PluginOptions* plugin = Find(&out[i], former.id);
      if (plugin == nullptr) plugin = &out[i].plugins.emplace_back(std::move(former));
      for (const lane::LaneOptions& call : calls) plugin->components[call.component].kept = true;
      std::vector<lane::LaneOptions>& lanes = plugin->dispatcher.lanes;
      lanes.insert(lanes.end(), calls.begin(), calls.end());
    }
    for (size_t at = 0; at < before[i].pipelines.size(); ++at) {
      if (out[i].pipelines[at].stages.empty())
        out[i].pipelines[at] = std::move(before[i].pipelines[at]);
    }
  }
  return out;
}

absl::Status Reload::Apply(AllOptions options) {
  for (size_t i = 0; i < options.size(); ++i)
    OUTBOARD_RETURN_IF_ERROR(parts_.shards[i]->Apply(std::move(options[i])));
  return absl::OkStatus();
}

// ---- New instances
// -------------------------------------------------------------------------------

absl::Status Reload::JoinPlugins() {
  OUTBOARD_RETURN_IF_ERROR(Apply(Between(false)));
  std::map<std::string, fleet::PluginSpec> specs;
  for (fleet::PluginSpec& spec : FleetOptions(after_.config).plugins)
    specs[spec.name] = std::move(spec);
  for (const config::Plugin* plugin : joining_) {
    const fleet::PluginId id = after_.ids.plugins.at(plugin->name).id;
    joined_.push_back(id);
    fleet::PluginSpec& spec = specs.at(plugin->name);
    parts_.tell(&spec);
    OUTBOARD_RETURN_IF_ERROR(parts_.fleet->Join(id, std::move(spec)));
  }
  for (const config::Plugin* plugin : joining_) OUTBOARD_RETURN_IF_ERROR(WaitUntilServing(*plugin));
  // Those that stay may be asked for more.
  for (const config::Plugin& plugin : after_.config.plugins) {
    if (std::find(joining_.begin(), joining_.end(), &plugin) != joining_.end()) continue;
    const Ids::Plugin& ids = after_.ids.plugins.at(plugin.name);
    const fleet::Joining known = parts_.fleet->JoinState(ids.id);
    if (known.description.components().empty()) continue;  // It has not been up yet.
    OUTBOARD_RETURN_IF_ERROR(CheckComponents(plugin, ids, known.description));
  }
  return absl::OkStatus();
}

absl::Status Reload::WaitUntilServing(const config::Plugin& plugin) {
  const Duration patience = 2 * plugin.start_timeout + kSlack;
  const SteadyClock::time_point until = SteadyClock::now() + patience;
  bool serves = false;
  while (true) {
    OUTBOARD_RETURN_IF_ERROR(Serves(plugin, &serves));
    if (serves) return absl::OkStatus();
    if (parts_.stopping()) return absl::CancelledError("the host is shutting down");
    if (SteadyClock::now() >= until) break;
    std::this_thread::sleep_for(kLook);
  }
  const fleet::Joining joining = parts_.fleet->JoinState(after_.ids.plugins.at(plugin.name).id);
  return absl::DeadlineExceededError(
      absl::StrCat("plugin ", plugin.name, " did not come up within ", Seconds(patience),
                   joining.problem.empty() ? "" : ": ", joining.problem));
}

absl::Status Reload::CheckComponents(
    const config::Plugin& plugin, const Ids::Plugin& ids,
    const outboard::plugin::v1::DescribeResponse& description) const {
  for (const shard::ComponentOptions& component : ids.components) {
    if (!component.wanted) continue;
    const absl::Status found =
        plugin::FindComponent(plugin.name, component.name, component.use, description).status();
    if (found.ok()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("plugin ", plugin.name, " did not come up: ", found.message()));
  }
  return absl::OkStatus();
}

absl::Status Reload::Serves(const config::Plugin& plugin, bool* serves) {
  const Ids::Plugin& ids = after_.ids.plugins.at(plugin.name);
  const fleet::Joining joining = parts_.fleet->JoinState(ids.id);
  if (!joining.failed.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("plugin ", plugin.name, " did not come up: ", joining.failed));
  }
  if (joining.ready.size() < joining.wanted) return absl::OkStatus();
  OUTBOARD_RETURN_IF_ERROR(CheckComponents(plugin, ids, joining.description));
  const shard::Status status = parts_.shards[ids.shard]->GetStatus();
  const auto its = std::find_if(
      status.plugins.begin(), status.plugins.end(),
      [&ids](const shard::PluginStatus& plugin_status) { return plugin_status.id == ids.id; });
  if (its == status.plugins.end()) return absl::OkStatus();
  const auto wanted = static_cast<size_t>(
      std::count_if(ids.components.begin(), ids.components.end(),
                    [](const shard::ComponentOptions& component) { return component.wanted; }));
  const size_t sessions = wanted - std::min(wanted, its->disabled.size());
  *serves = std::all_of(joining.ready.begin(), joining.ready.end(), [&](fleet::InstanceUid uid) {
    const auto open =
        std::count_if(its->loads.begin(), its->loads.end(),
                      [uid](const shard::InstanceLoad& load) { return load.uid == uid; });
    return static_cast<size_t>(open) >= sessions;
  });
  return absl::OkStatus();
}

// ---- Lanes
// ---------------------------------------------------------------------------------------

absl::Status Reload::EmptyLanes() {
  Duration longest = Duration::zero();
  for (const config::Plugin& plugin : before_.config.plugins)
    longest = std::max(longest, plugin.time_limit);
  for (const config::Route& route : before_.config.routes) {
    for (const config::Stage& stage : route.stages)
      longest = std::max(longest, stage.time_limit.value_or(longest));
  }
  OUTBOARD_RETURN_IF_ERROR(Apply(Between(true)));
  // Deliveries that are stuck are given up after two time limits, and their plugin is stopped.
  const Duration patience = 3 * longest + kSlack;
  const SteadyClock::time_point until = SteadyClock::now() + patience;
  while (true) {
    std::vector<std::string> leaving;
    for (shard::Shard* shard : parts_.shards) {
      const std::vector<std::string> its = shard->Leaving();
      leaving.insert(leaving.end(), its.begin(), its.end());
    }
    if (leaving.empty()) return absl::OkStatus();
    if (parts_.stopping()) return absl::CancelledError("the host is shutting down");
    if (SteadyClock::now() >= until) {
      return absl::DeadlineExceededError(absl::StrCat("lanes still had events with plugins after ",
                                                      Seconds(patience), ": ",
                                                      absl::StrJoin(leaving, ", ")));
    }
    std::this_thread::sleep_for(kLook);
  }
}

// What leaves stays declared until nothing can fail any more: an orphan misses what is published.
absl::Status Reload::ChangeLanes() {
  for (const config::Plugin* plugin : joining_) {  // Emptying takes time.
    bool serves = false;
    OUTBOARD_RETURN_IF_ERROR(Serves(*plugin, &serves));
    if (!serves) {
      return absl::FailedPreconditionError(
          absl::StrCat("plugin ", plugin->name, " came up and did not stay so"));
    }
  }
  std::vector<bus::LaneSpec> lanes = LaneSpecs(after_.config);
  for (bus::LaneSpec& former : LaneSpecs(before_.config)) {
    const bool stays =
        std::any_of(lanes.begin(), lanes.end(),
                    [&former](const bus::LaneSpec& lane) { return lane.name == former.name; });
    if (!stays) lanes.push_back(std::move(former));
  }
  declared_ = true;
  OUTBOARD_RETURN_IF_ERROR(parts_.bus->Declare(lanes));
  return Apply(WithFormerCalls());
}

// ---- The end
// -------------------------------------------------------------------------------------

void Reload::Undo() {
  if (declared_) {
    const absl::Status status = parts_.bus->Declare(LaneSpecs(before_.config));
    if (!status.ok())
      LogError("app", absl::StrCat("cannot declare the former lanes again: ", status.message()));
  }
  if (parts_.stopping()) return;
  const absl::Status status = Apply(ShardOptions(undone_));
  if (!status.ok())
    LogError("app", absl::StrCat("cannot go back to the former lanes: ", status.message()));
  for (const fleet::PluginId id : joined_) parts_.fleet->Settle(id, false);
}

// Calls under way may need what leaves.
void Reload::WaitForCalls() const {
  const SteadyClock::time_point until = SteadyClock::now() + kCalls;
  while (SteadyClock::now() < until && !parts_.stopping()) {
    bool any = false;
    for (shard::Shard* shard : parts_.shards) any = any || !shard->Leaving().empty();
    if (!any) return;
    std::this_thread::sleep_for(kLook);
  }
}

void Reload::Finish() {
  parts_.open_pipelines(after_);
  // What calls do not need any more; nothing begins here, so nothing can fail.
  const absl::Status status = Apply(ShardOptions(after_));
  if (!status.ok()) LogWarning("app", status.message());
  const absl::Status declared = parts_.bus->Declare(LaneSpecs(after_.config));
  if (!declared.ok()) {
    LogWarning("app", absl::StrCat("lanes that left are not orphans yet: ", declared.message()));
  }
  WaitForCalls();
  for (const fleet::PluginId id : joined_) parts_.fleet->Settle(id, true);
  for (const std::string& name : removed_) parts_.fleet->Remove(before_.ids.plugins.at(name).id);
}

}  // namespace outboard::app
