#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/plugin/grpc/connection.h"
#include "host/supervise/supervisor.h"
#include "outboard/plugin/v1/plugin.pb.h"

namespace outboard::fleet {

using PluginId = uint32_t;     // Position in FleetOptions::plugins.
using InstanceUid = uint64_t;  // One life of one instance; never reused within a run of the host.

struct PluginSpec {
  std::string name;
  supervise::ProgramSpec program;       // Launched; argv empty: remote.
  std::string address;                  // Remote.
  std::optional<plugin::TlsFiles> tls;  // Remote; server_name empty: the host of the address.
  uint32_t instances = 1;               // Launched.
  std::string config_json;
  Duration start_timeout = std::chrono::seconds(60);

  bool remote() const { return program.argv.empty(); }
};

// An instance that has been described and takes sessions.
struct Instance {
  PluginId plugin = 0;
  InstanceUid uid = 0;
  uint32_t number = 0;
  bool quarantine = false;
  std::shared_ptr<plugin::Connection> connection;
  outboard::plugin::v1::DescribeResponse description;
  std::string config_json;  // That it was described with.
  bool joining = false;     // Of a change that is not settled: its failures are the change's.
  uint64_t generation = 0;  // Of the plugin's config; each change has another.
};

// Told on the fleet's thread or gRPC's; must not block.
class FleetListener {
 public:
  virtual ~FleetListener() = default;
  virtual void OnReady(Instance instance) = 0;
  // Its server announced that it stops: drain its sessions.
  virtual void OnGoingAway(PluginId plugin, InstanceUid uid) = 0;
  // Its process ended or its address left. `requested`: the host asked for it.
  virtual void OnGone(PluginId plugin, InstanceUid uid, bool requested,
                      const std::string& report) = 0;
  // Remote, after OnGone: the instance is over for sure, since its address shows another
  // instance_id, or left. May come long after, or never.
  virtual void OnEnded(PluginId plugin, InstanceUid uid) = 0;
  // The answer to CheckHealth. Not OK: what the instance said, or that it said nothing in time.
  virtual void OnHealth(PluginId plugin, InstanceUid uid, const absl::Status& health) = 0;
  // An instance ended, or could not be used, before it was ready.
  virtual void OnFailed(PluginId plugin, bool quarantine, const std::string& report) = 0;
};

struct InstanceStatus {
  uint32_t number = 0;
  bool quarantine = false;
  std::string state;  // As outboard.host.v1.InstanceStatus.state.
  int64_t pid = 0;
  std::string address;
  uint64_t restarts = 0;
  std::string last_end;
  InstanceUid uid = 0;                      // 0: not ready.
  std::vector<std::string> unapplied = {};  // As outboard.host.v1.InstanceStatus.unapplied.
};

struct PluginStatus {
  std::string program;
  std::string version;
  std::string sdk;
  std::vector<outboard::plugin::v1::Component> components;
  std::vector<InstanceStatus> instances;
  uint64_t restarts = 0;
  std::map<std::string, uint64_t> restarts_by_cause;
  std::string problem;  // Why no instance is usable, with the fix; empty: some are.
};

// How far the instances of a change are.
struct Joining {
  size_t wanted = 0;
  std::vector<InstanceUid> ready;
  std::string failed;   // Not empty: one of them did not come up; none is tried again.
  std::string problem;  // What keeps a remote one; it is tried again.
  outboard::plugin::v1::DescribeResponse description;  // Of one of them, or of the plugin.
};

struct FleetOptions {
  std::string host_name;
  std::vector<PluginSpec> plugins;
  supervise::SupervisorOptions supervisor;  // Its callbacks are the fleet's.
};

enum class ReplaceCause {
  kDrained,   // Nothing is left in it: it is stopped in order.
  kUnusable,  // It is ended at once, by SIGTERM.
  kStuck,  // At once, too: by SIGABRT where it may leave a core file, which tells where it hangs.
};

class Fleet {
 public:
  static absl::StatusOr<std::unique_ptr<Fleet>> Create(FleetOptions options,
                                                       FleetListener* listener);
  ~Fleet();

  // ---- From shards, any thread ----
  // Whether an instance for suspects should run.
  void WantQuarantine(PluginId plugin, bool wanted);
  // The instance cannot be used further. Launched: its process is replaced, as the cause says;
  // remote: dialled anew.
  void Replace(PluginId plugin, InstanceUid uid, ReplaceCause cause, std::string why);
  // The instance answered well: its restarts begin with the shortest delay again.
  void ReportHealthy(PluginId plugin, InstanceUid uid);
  // Asks the instance for a sign of life; FleetListener::OnHealth tells what it said.
  void CheckHealth(PluginId plugin, InstanceUid uid, Duration timeout);

  // ---- For another config; each blocks for a moment; any thread but the fleet's ----
  // Starts the instances of `spec` beside those that are there: of a plugin that is new, whose id
  // is the next one or that of one that was removed, or of one that is to be another. Settle
  // follows.
  absl::Status Join(PluginId plugin, PluginSpec spec);
  Joining JoinState(PluginId plugin);
  // `keep`: the former instances leave, their sessions drained; otherwise those that joined.
  void Settle(PluginId plugin, bool keep);
  // All its instances leave.
  void Remove(PluginId plugin);

  // Blocks for a moment; any thread but the fleet's.
  std::vector<PluginStatus> Status();

  // Ends all instances; returns when they are gone.
  void Shutdown(Duration deadline);

 private:
  class Impl;
  explicit Fleet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::fleet
