// A person pauses a lane, or a changed config says what the shard has.
#include <algorithm>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/shard/shard_impl.h"

namespace outboard::shard {
namespace {

const ComponentOptions* Same(const std::vector<ComponentOptions>& all, size_t at) {
  return at < all.size() ? &all[at] : nullptr;
}

bool IsFirst(const lane::LaneOptions& lane) { return lane.first && !lane.calls; }

}  // namespace

std::set<lane::LaneId> LanesOf(const ShardOptions& options) {
  std::set<lane::LaneId> out;
  for (const PluginOptions& plugin : options.plugins) {
    for (const lane::LaneOptions& lane : plugin.dispatcher.lanes) out.insert(lane.id);
  }
  return out;
}

// ---- From other threads
// --------------------------------------------------------------------------

absl::Status Shard::Impl::Apply(ShardOptions next) {
  std::promise<absl::Status> promise;
  Post(Task([this, &next, &promise] { promise.set_value(Change(next)); }));
  return promise.get_future().get();
}

std::vector<std::string> Shard::Impl::Leaving() {
  std::promise<std::vector<std::string>> promise;
  Post(Task([this, &promise] {
    std::vector<std::string> names;
    for (const auto& [lane, hops] : leaving_) {
      names.push_back(hops_.OptionsOf(lane).name);
    }
    promise.set_value(std::move(names));
  }));
  return promise.get_future().get();
}

absl::Status Shard::Impl::Pause(lane::LaneId lane, bool paused) {
  std::promise<bool> promise;
  Post(Task([this, lane, paused, &promise] {
    const bool known = hops_.Has(lane) && leaving_.count(lane) == 0;
    if (known && paused) paused_.insert(lane);
    if (known && !paused) paused_.erase(lane);
    if (known) {
      for (const lane::LaneId hop : HopsOf(lane)) SetPaused(hop, paused);
    }
    promise.set_value(known);
  }));
  if (promise.get_future().get()) return absl::OkStatus();
  return absl::NotFoundError("the lane is not there any more");
}

absl::StatusOr<LaneStops> Shard::Impl::StopsOf(lane::LaneId lane) {
  std::promise<std::optional<LaneStops>> promise;
  Post(Task([this, lane, &promise] {
    if (!hops_.Has(lane)) return promise.set_value(std::nullopt);
    const lane::LaneStats& stats = plugins_[hops_.DispatcherOf(lane)]->dispatcher->stats(lane);
    promise.set_value(LaneStops{stats.stopped, stats.stops, stats.dying});
  }));
  if (const std::optional<LaneStops> stops = promise.get_future().get()) return *stops;
  return absl::NotFoundError("the lane is not there any more");
}

void Shard::Impl::TellFirst(lane::LaneId lane, lane::Input input) {
  const auto shared = std::make_shared<lane::Input>(std::move(input));  // A task is copied.
  Post(Task([this, lane, shared] {
    if (hops_.Has(lane)) Step(*plugins_[hops_.DispatcherOf(lane)], std::move(*shared));
  }));
}

// ---- Changes
// -------------------------------------------------------------------------------------

void Shard::Impl::SetPaused(lane::LaneId hop, bool paused) {
  Step(*plugins_[hops_.DispatcherOf(hop)], lane::PauseLane{hop, paused});
}

// With observers.
std::vector<lane::LaneId> Shard::Impl::HopsOf(lane::LaneId lane) const {
  std::vector<lane::LaneId> out;
  for (std::optional<lane::LaneId> hop = lane; hop; hop = hops_.OptionsOf(*hop).next) {
    const std::vector<lane::LaneId>& observers = hops_.ObserversOf(*hop);
    out.insert(out.end(), observers.begin(), observers.end());
    out.push_back(*hop);
  }
  return out;
}

std::vector<const lane::DispatcherOptions*> Shard::Impl::DispatcherOptionsOf() const {
  std::vector<const lane::DispatcherOptions*> out;
  for (const auto& plugin : plugins_) out.push_back(&plugin->options.dispatcher);
  return out;
}

void Shard::Impl::AddPlugin(PluginOptions options) {
  auto plugin = std::make_unique<Plugin>();
  plugin->status.id = options.id;
  std::vector<lane::KnownSuspect> known;
  if (options_.suspects != nullptr) known = options_.suspects->Of(options.name);
  plugin->dispatcher = std::make_unique<lane::Dispatcher>(
      options.dispatcher, options_.seed + options.id, std::move(known));
  for (const lane::LaneOptions& lane : options.dispatcher.lanes) Know(lane);
  plugin->options = std::move(options);
  plugins_.push_back(std::move(plugin));
}

void Shard::Impl::Know(const lane::LaneOptions& lane) {
  if (routes_.size() <= lane.id) routes_.resize(lane.id + 1);
  routes_[lane.id] = lane.route;  // A pipeline's name, of a lane that takes calls.
  if (lane.paused && IsFirst(lane)) paused_.insert(lane.id);
}

absl::Status Shard::Impl::Change(ShardOptions& next) {
  if (draining_) return absl::FailedPreconditionError("the host is shutting down");
  OUTBOARD_RETURN_IF_ERROR(OpenNew(next));
  LetGo(next);
  TakePipelines(next);
  SetOptions(next);
  return absl::OkStatus();
}

// All or none.
absl::Status Shard::Impl::OpenNew(const ShardOptions& next) {
  std::vector<lane::LaneId> opened;
  for (const PluginOptions& plugin : next.plugins) {
    for (const lane::LaneOptions& lane : plugin.dispatcher.lanes) {
      if (!IsFirst(lane) || hops_.Has(lane.id)) continue;
      absl::Status status = consumer_->Open(lane.id, lane.name);
      if (status.ok()) {
        opened.push_back(lane.id);
        continue;
      }
      for (const lane::LaneId id : opened) consumer_->Close(id);
      return status;
    }
  }
  return absl::OkStatus();
}

// What `next` does not name leaves; what was leaving and is named again stays.
void Shard::Impl::LetGo(const ShardOptions& next) {
  const std::set<lane::LaneId> named = LanesOf(next);
  std::set<lane::LaneId> leave;
  for (const auto& plugin : plugins_) {
    for (const lane::LaneOptions& lane : plugin->options.dispatcher.lanes) {
      if (named.count(lane.id) == 0) leave.insert(hops_.LaneOf(lane.id));
    }
  }
  for (auto it = leaving_.begin(); it != leaving_.end();) {
    if (named.count(it->first) == 0) {
      leave.erase(it->first);
      ++it;
      continue;
    }
    const bool paused = paused_.count(it->first) > 0;
    for (const lane::LaneId hop : it->second) SetPaused(hop, paused);
    it = leaving_.erase(it);
  }
  for (const lane::LaneId lane : leave) {
    leaving_[lane] = HopsOf(lane);
    if (hops_.OptionsOf(lane).calls) continue;  // Ends with its walks.
    for (const lane::LaneId hop : leaving_[lane]) SetPaused(hop, true);
  }
}

void Shard::Impl::TakePipelines(const ShardOptions& next) {
  for (size_t i = 0; i < next.pipelines.size(); ++i) {
    if (i >= walks_.pipelines().size()) walks_.Add(next.pipelines[i]);
    if (next.pipelines[i].stages.empty()) {
      former_pipelines_.insert(i);
    } else {
      former_pipelines_.erase(i);
    }
  }
}

void Shard::Impl::SetOptions(ShardOptions& next) {
  std::vector<std::pair<Plugin*, std::vector<ComponentOptions>>> before;
  std::map<fleet::PluginId, PluginOptions> named;
  for (PluginOptions& plugin : next.plugins) named[plugin.id] = std::move(plugin);
  for (const auto& plugin : plugins_) {
    PluginOptions options = plugin->options;
    std::vector<lane::LaneOptions> lanes = std::move(options.dispatcher.lanes);
    options.dispatcher.lanes.clear();
    const auto found = named.find(options.id);
    const bool stays = found != named.end();
    if (stays) {
      options = std::move(found->second);
      named.erase(found);
    } else {
      for (ComponentOptions& component : options.components) component.wanted = false;
    }
    for (lane::LaneOptions& lane : lanes) {
      if (leaving_.count(hops_.LaneOf(lane.id)) == 0) continue;
      options.components[lane.component].kept = true;
      options.dispatcher.lanes.push_back(std::move(lane));
    }
    for (const lane::LaneOptions& lane : options.dispatcher.lanes) Know(lane);
    // The sessions of a plugin that leaves end with its instances.
    if (stays) before.emplace_back(plugin.get(), plugin->options.components);
    plugin->options = std::move(options);
  }
  for (auto& [id, options] : named) AddPlugin(std::move(options));
  ConfigureAll();
  for (const auto& [plugin, components] : before) TakeComponents(*plugin, components);
}

// What they say to each other meanwhile waits until all know of all lanes.
void Shard::Impl::ConfigureAll() {
  hops_.Configure(DispatcherOptionsOf());
  for (const auto& plugin : plugins_) StepOne(*plugin, lane::Configure{plugin->options.dispatcher});
  StepHops();
}

void Shard::Impl::TakeComponents(Plugin& plugin, const std::vector<ComponentOptions>& before) {
  for (lane::ComponentId c = 0; c < plugin.options.components.size(); ++c) {
    const ComponentOptions* former = Same(before, c);
    const ComponentOptions& now = plugin.options.components[c];
    const bool was_wanted = former != nullptr && former->wanted;
    const bool was_there = former != nullptr && (former->wanted || former->kept);
    if (now.wanted && !was_wanted) {
      for (const auto& [key, life] : lives_) {
        const bool open =
            std::any_of(life->sessions.begin(), life->sessions.end(),
                        [this, c](const SessionId id) { return sessions_.at(id)->component == c; });
        if (life->plugin == &plugin && !open && !life->going && !life->gone) OpenSession(*life, c);
      }
    }
    if (!was_there || now.wanted || now.kept) continue;
    std::vector<SessionId> drained;
    for (const auto& [id, session] : sessions_) {
      if (session->plugin == &plugin && session->component == c && session->opened)
        drained.push_back(id);
    }
    for (const SessionId id : drained) Step(plugin, lane::SessionDraining{id});
  }
}

// ---- The end of what leaves
// ----------------------------------------------------------------------

bool Shard::Impl::IsOver(lane::LaneId lane, const std::vector<lane::LaneId>& hops) const {
  for (const lane::LaneId hop : hops) {
    if (!plugins_[hops_.DispatcherOf(hop)]->dispatcher->empty(hop)) return false;
  }
  if (!hops_.OptionsOf(lane).calls) return true;
  for (size_t i = 0; i < walks_.pipelines().size(); ++i) {
    const std::vector<pipeline::Stage>& stages = walks_.pipelines()[i].stages;
    const bool mine =
        std::any_of(stages.begin(), stages.end(),
                    [lane](const pipeline::Stage& stage) { return stage.lane == lane; });
    if (mine && walks_.stats(i).under_way > 0) return false;
  }
  return true;
}

void Shard::Impl::RemoveOver() {
  std::set<lane::LaneId> over;
  for (auto it = leaving_.begin(); it != leaving_.end();) {
    if (!IsOver(it->first, it->second)) {
      ++it;
      continue;
    }
    over.insert(it->second.begin(), it->second.end());
    if (IsFirst(hops_.OptionsOf(it->first))) consumer_->Close(it->first);
    paused_.erase(it->first);
    dead_by_reason_.erase(it->first);
    it = leaving_.erase(it);
  }
  if (over.empty()) return;
  for (const auto& plugin : plugins_) {
    std::erase_if(plugin->options.dispatcher.lanes,
                  [&over](const lane::LaneOptions& lane) { return over.count(lane.id) > 0; });
  }
  ConfigureAll();
}

}  // namespace outboard::shard
