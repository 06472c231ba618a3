#pragma once

#include <string>
#include <utility>
#include <vector>

#include "host/app/ids.h"
#include "host/base/mutex.h"
#include "host/fleet/fleet.h"
#include "host/shard/shard.h"

namespace outboard::app {

// Hands what the fleet says of a plugin to the shard that has its lanes.
class ByShard final : public fleet::FleetListener {
 public:
  void Add(shard::Shard* shard) { shards_.push_back(shard); }
  // Before an instance of such a plugin is told.
  void Know(const Ids& ids) OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    for (const auto& [name, plugin] : ids.plugins) {
      if (shard_of_.size() <= plugin.id) shard_of_.resize(plugin.id + 1);
      shard_of_[plugin.id] = plugin.shard;
    }
  }

  void OnReady(fleet::Instance instance) override {
    shard::Shard& shard = Of(instance.plugin);
    shard.OnReady(std::move(instance));
  }
  void OnGoingAway(fleet::PluginId plugin, fleet::InstanceUid uid) override {
    Of(plugin).OnGoingAway(plugin, uid);
  }
  void OnGone(fleet::PluginId plugin, fleet::InstanceUid uid, bool requested,
              const std::string& report) override {
    Of(plugin).OnGone(plugin, uid, requested, report);
  }
  void OnEnded(fleet::PluginId plugin, fleet::InstanceUid uid) override {
    Of(plugin).OnEnded(plugin, uid);
  }
  void OnHealth(fleet::PluginId plugin, fleet::InstanceUid uid,
                const absl::Status& health) override {
    Of(plugin).OnHealth(plugin, uid, health);
  }
  void OnFailed(fleet::PluginId plugin, bool quarantine, const std::string& report) override {
    Of(plugin).OnFailed(plugin, quarantine, report);
  }

 private:
  shard::Shard& Of(fleet::PluginId plugin) OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return *shards_[shard_of_[plugin]];
  }

  Mutex mu_;
  std::vector<size_t> shard_of_ OUTBOARD_GUARDED_BY(mu_);  // By plugin.
  std::vector<shard::Shard*> shards_;                      // All there before the first is told.
};

}  // namespace outboard::app
