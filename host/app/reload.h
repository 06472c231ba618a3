#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/app/ids.h"
#include "host/bus/bus.h"
#include "host/config/config.h"
#include "host/config/diff.h"
#include "host/config/reader.h"
#include "host/fleet/fleet.h"
#include "host/shard/shard.h"

namespace outboard::app {

// The file of a running host's config, read again. INVALID_ARGUMENT: all that is wrong with it.
absl::StatusOr<config::ReadResult> ReadAgain(const config::Config& running);

// What a reload from `before` to `after` is about: their differences, and plugins whose own config
// is the same but whose sandbox has to cover more, such as the key of another plugin.
std::vector<config::Change> ChangesOf(const config::Config& before, const config::Config& after);

// FAILED_PRECONDITION: what of `changes` only a restart brings in force. INVALID_ARGUMENT: a plugin
// to be replaced that `after` has not.
absl::Status CheckReload(const config::Config& before, const config::Config& after,
                         const std::vector<config::Change>& changes,
                         const std::set<std::string>& replace);

// Brings a running host from one config to another. New instances serve before former ones leave;
// lanes that change are emptied before they begin again; what stays goes on.
class Reload {
 public:
  // What it works on, and what it asks. All of it outlives the Reload.
  struct Parts {
    bus::Bus* bus = nullptr;
    fleet::Fleet* fleet = nullptr;
    std::vector<shard::Shard*> shards;
    // Calls go where these ids say from now on.
    std::function<void(const Setup&)> open_pipelines;
    // What instances are told beside their config.
    std::function<void(fleet::PluginSpec*)> tell;
    std::function<bool()> stopping;
  };

  // `replace`: plugins whose instances are replaced though their config is the same. `undone`: what
  // is to run where it fails; `before` with Spend.
  Reload(Parts parts, const Setup& before, const Setup& after, const Setup& undone,
         const std::set<std::string>& replace);

  // Blocks until all of `after` is in force, and former instances have begun to leave. Not OK:
  // all is as it was, and the message says why.
  absl::Status Run();

 private:
  using AllOptions = std::vector<shard::ShardOptions>;  // By shard.

  // What `before` has, beside the plugins and components of `after`; `left`: without the lanes that
  // `after` has not.
  AllOptions Between(bool left) const;
  // What `after` has, beside the calls of `before`.
  AllOptions WithFormerCalls() const;
  absl::Status Apply(AllOptions options);
  absl::Status JoinPlugins();
  absl::Status WaitUntilServing(const config::Plugin& plugin);
  // Nothing: not yet.
  absl::Status Serves(const config::Plugin& plugin, bool* serves);
  absl::Status CheckComponents(const config::Plugin& plugin, const Ids::Plugin& ids,
                               const outboard::plugin::v1::DescribeResponse& description) const;
  absl::Status EmptyLanes();
  absl::Status ChangeLanes();
  void Undo();
  void WaitForCalls() const;
  void Finish();

  const Parts parts_;
  const Setup& before_;
  const Setup& after_;
  const Setup& undone_;
  std::vector<const config::Plugin*> joining_;  // Of `after_`.
  std::vector<std::string> removed_;
  std::vector<fleet::PluginId> joined_;
  bool declared_ = false;
};

}  // namespace outboard::app
