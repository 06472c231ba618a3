#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/bus/bus.h"
#include "host/fleet/fleet.h"
#include "host/lane/dispatcher.h"
#include "host/lineage/store.h"
#include "host/pipeline/walks.h"
#include "host/plugin/description.h"
#include "host/shard/status.h"
#include "host/shard/suspect_file.h"

namespace outboard::shard {

struct ComponentOptions {
  std::string name;  // Empty: the plugin's only one for this use.
  plugin::Use use = plugin::Use::kTarget;
  bool wanted = true;  // Else nothing names it any more: it gets no sessions.
  bool kept = false;   // What is open stays so, wanted or not.
};

struct PluginOptions {
  fleet::PluginId id = 0;
  std::string name;
  Duration start_timeout = std::chrono::seconds(60);
  uint32_t max_in_flight = 0;                // 0: no limit beside the plugin's own.
  std::vector<ComponentOptions> components;  // By ComponentId.
  // Its lanes and hops; the names of its first hops are declared on the bus.
  lane::DispatcherOptions dispatcher;
};

// All hops of a lane are on one shard, and all stages of a pipeline or an entry of the ingress.
struct ShardOptions {
  std::string host_name;
  std::vector<PluginOptions> plugins;
  std::vector<pipeline::Pipeline> pipelines;  // And entries of the ingress; those without stages
                                              // have left.
  size_t max_emit_bytes =
      16 << 20;  // Of emits handed to the bus and not confirmed; beyond it sessions are not read.
  uint64_t seed = 0;
  lineage::Store* lineage = nullptr;  // Takes what dispatchers record; null: nobody does.
  SuspectFile* suspects =
      nullptr;  // Not owned. Null: what is known of suspects ends with the host.
};

// All that they name: lanes with their hops, and stages of pipelines.
std::set<lane::LaneId> LanesOf(const ShardOptions& options);

// A call of one of the shard's pipelines, or an event for one.
struct Invocation {
  using Done = std::function<void(pipeline::Answer)>;

  uint64_t id = 0;      // Of no other call of this shard.
  size_t pipeline = 0;  // Position in ShardOptions::pipelines.
  std::shared_ptr<const lane::Call> call;
  Time deadline = kNever;
  Done done;  // Called once, on the shard's thread, unless GiveUp came before. Must not block.
};

// One thread with its lanes. Construct, Start, then post; the destructor stops it where it is.
class Shard {
 public:
  Shard(ShardOptions options, bus::Bus* bus, const Clock* clock);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Opens its lanes on the bus and starts the thread. `fleet` outlives the shard.
  absl::Status Start(fleet::Fleet* fleet);

  // ---- Any thread ----
  void OnReady(fleet::Instance instance);
  void OnGoingAway(fleet::PluginId plugin, fleet::InstanceUid uid);
  void OnGone(fleet::PluginId plugin, fleet::InstanceUid uid, bool requested, std::string report);
  void OnEnded(fleet::PluginId plugin, fleet::InstanceUid uid);
  void OnHealth(fleet::PluginId plugin, fleet::InstanceUid uid, absl::Status health);
  void OnFailed(fleet::PluginId plugin, bool quarantine, std::string report);

  void Invoke(std::vector<Invocation> invocations);
  // Their callers wait no longer.
  void GiveUp(std::vector<uint64_t> ids);

  // From now on it is as `options` say, whose host, seed, bound of emits and lineage count for
  // nothing.
  // Plugins, lanes, components and pipelines that are new begin; those that are not named any more
  // leave: a lane takes nothing new, finishes what plugins have, gives back the rest, and is then
  // closed on the bus. What stays goes on. Names of lanes that begin are declared, and none of them
  // is still leaving. Not OK: the bus did not open a lane; apply the former options.
  absl::Status Apply(ShardOptions options);
  // Lanes, and stages of pipelines, that still leave.
  std::vector<std::string> Leaving();
  // The lane takes nothing until it is let go on; what plugins have may finish. NOT_FOUND.
  absl::Status Pause(lane::LaneId lane, bool paused);

  // What a lane that dead letters stop has to say of that (lane::StopLane, GoOn). NOT_FOUND.
  absl::StatusOr<LaneStops> StopsOf(lane::LaneId lane);
  void StopLane(lane::LaneId lane);
  void GoOn(lane::LaneId lane, uint64_t stops);

  // Lets calls under way end for up to half of `timeout`. Stops taking, lets what is in flight
  // finish for `timeout`, gives back the rest, makes the last settlements. Returns when that is
  // done (at most a few seconds after the timeout); false: some settlements were not confirmed by
  // then.
  bool Drain(Duration timeout);

  // Both wait for the shard's thread.
  Status GetStatus();
  // Where events of these ids are in its lanes, and what they wait for.
  std::vector<LaneEvent> Find(const absl::flat_hash_set<std::string>& ids);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::shard
