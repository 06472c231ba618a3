#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/base/mutex.h"
#include "host/base/task_thread.h"
#include "host/fleet/fleet.h"
#include "host/fleet/resolver.h"

// The fleet's state and its parts by subject, one source file each. Only fleet*.cc include this.
namespace outboard::fleet {

using outboard::plugin::v1::DescribeRequest;
using outboard::plugin::v1::DescribeResponse;
using supervise::InstanceKey;

class Fleet::Impl {
 public:
  Impl(FleetOptions options, FleetListener* listener)
      : options_(std::move(options)), listener_(listener) {}
  ~Impl() { Shutdown(Duration::zero()); }

  absl::Status Begin();
  // After Shutdown it does nothing.
  void Post(std::function<void()> task) OUTBOARD_EXCLUDES(door_) {
    MutexLock lock(door_);
    if (open_) thread_->Post(std::move(task));
  }
  // On the fleet's thread:
  void WantQuarantine(PluginId plugin, bool wanted);
  void Replace(PluginId plugin, InstanceUid uid, ReplaceCause cause, std::string why);
  void ReportHealthy(PluginId plugin, InstanceUid uid);
  void CheckHealth(PluginId plugin, InstanceUid uid, Duration timeout);
  // On any other thread:
  std::vector<PluginStatus> Status();
  absl::Status Join(PluginId plugin, PluginSpec spec);
  Joining JoinState(PluginId plugin);
  void Settle(PluginId plugin, bool keep);
  void Remove(PluginId plugin);
  void Shutdown(Duration deadline);

 private:
  std::vector<PluginStatus> StatusNow();
  // One place for an instance: a number of a launched plugin, or an address of a remote one.
  struct Slot {
    PluginId plugin = 0;
    std::shared_ptr<const PluginSpec> spec;
    uint64_t generation = 0;
    uint32_t number = 0;
    bool quarantine = false;
    bool leaving = false;  // Ends for good.
    std::string address;
    int64_t pid = 0;
    InstanceUid uid = 0;  // Of the life under way; 0: none.
    bool ready = false;
    bool told = false;        // This life's failure was reported.
    bool gone = false;        // Remote: the address left.
    InstanceUid before = 0;   // Remote: the life before; 0: none, or told to be over.
    std::string instance_id;  // Remote: of that life, or of the one under way.
    uint32_t failures = 0;    // Remote: in a row.
    std::string state = "starting";
    std::shared_ptr<plugin::Connection> connection;
    DescribeResponse description;  // Of this life.
  };
  struct PluginState {
    // Of instances that start now; each change is a generation, and none has another's number.
    std::shared_ptr<const PluginSpec> spec;
    uint64_t generation = 0;
    uint64_t last_generation = 0;
    uint64_t former_generation = 0;
    std::shared_ptr<const PluginSpec>
        former;  // Until a change is settled; null: none is under way.
    DescribeResponse former_description;
    std::string join_problem;
    bool removed = false;
    std::vector<std::unique_ptr<Slot>> slots;
    bool quarantine_wanted = false;
    bool quarantine_runs = false;
    DescribeResponse description;
    std::string problem;
    uint64_t restarts = 0;
    std::map<std::string, uint64_t> restarts_by_cause;
    std::unique_ptr<Resolver> resolver;
    std::unique_ptr<Resolver> former_resolver;
  };

  const PluginSpec& Spec(PluginId plugin) const { return *plugins_[plugin].spec; }
  PluginId IdOf(const std::string& name) const;
  Slot* FindSlot(PluginId plugin, uint32_t number, bool quarantine);
  Slot* FindLife(PluginId plugin, InstanceUid uid);
  InstanceKey KeyOf(const Slot& slot) const {
    return {slot.spec->name, static_cast<int>(slot.number), slot.quarantine};
  }

  // Starts what the plugin's spec says, beside what is there.
  absl::Status StartGeneration(PluginId plugin);
  Slot& NewSlot(PluginId plugin);
  bool IsJoining(const Slot& slot) const {
    const PluginState& state = plugins_[slot.plugin];
    return state.former != nullptr && slot.generation == state.generation && !slot.quarantine;
  }
  void FailJoin(Slot& slot, const std::string& why);
  // For good, its sessions drained first.
  void Retire(PluginId plugin, const std::function<bool(const Slot&)>& which);
  void EndForGood(Slot& slot);
  void Forget(const Slot& slot);

  void OnStarted(const supervise::Started& started);
  void OnEnded(const supervise::Ended& ended);
  void OnRemoved(const InstanceKey& key);
  void Dial(Slot& slot);
  void OnDescribed(PluginId plugin, InstanceUid uid, absl::StatusOr<DescribeResponse> result);
  void CallBegins() OUTBOARD_EXCLUDES(door_);
  void CallOver() OUTBOARD_EXCLUDES(door_);
  void Unusable(Slot& slot, const absl::Status& why);
  void StopQuarantine(PluginId plugin);
  void OnAddresses(PluginId plugin, uint64_t generation, std::vector<std::string> addresses);
  void Redial(Slot& slot);
  void TellEnded(Slot& slot);

  const FleetOptions options_;
  FleetListener* const listener_;
  RealClock clock_;
  std::vector<PluginState> plugins_;
  InstanceUid next_uid_ = 1;
  bool stopping_ = false;
  Mutex door_;  // What others post comes in while it is open.
  CondVar answered_;
  bool open_ OUTBOARD_GUARDED_BY(door_) = true;
  int calls_ OUTBOARD_GUARDED_BY(door_) = 0;  // That gRPC has not answered.
  // Reverse order of shutdown: resolvers and the supervisor post to the thread, the thread outlives
  // them.
  std::unique_ptr<plugin::ChannelWatcher> watcher_ = std::make_unique<plugin::ChannelWatcher>();
  std::unique_ptr<TaskThread> thread_ = std::make_unique<TaskThread>(&clock_);
  std::unique_ptr<supervise::Supervisor> supervisor_;
};

}  // namespace outboard::fleet
