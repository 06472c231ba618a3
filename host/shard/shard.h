#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/base/clock.h"
#include "host/bus/bus.h"
#include "host/fleet/fleet.h"
#include "host/lane/dispatcher.h"
#include "host/shard/status.h"

namespace outboard::shard {

struct PluginOptions {
  fleet::PluginId id = 0;
  std::string name;
  std::string config_json;
  Duration start_timeout = std::chrono::seconds(60);
  uint32_t max_in_flight = 0;                // 0: no limit beside the plugin's own.
  std::vector<std::string> component_names;  // By ComponentId; empty: the plugin's only worker.
  lane::DispatcherOptions dispatcher;        // Its lanes' names are declared on the bus.
};

struct ShardOptions {
  std::string host_name;
  std::vector<PluginOptions> plugins;
  size_t max_emit_bytes =
      16 << 20;  // Of emits handed to the bus and not confirmed; beyond it sessions are not read.
  uint64_t seed = 0;
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

  // Stops taking, lets what is in flight finish for `timeout`, gives back the rest, makes the last
  // settlements. Returns when that is done (at most a few seconds after the timeout); false: some
  // settlements were not confirmed by then.
  bool Drain(Duration timeout);

  // Waits for the shard's thread.
  Status GetStatus();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::shard
