#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/access/tokens.h"
#include "host/admin/guarded_server.h"
#include "host/admin/server.h"
#include "host/app/by_shard.h"
#include "host/app/callers.h"
#include "host/app/data_folder.h"
#include "host/app/dead_stops.h"
#include "host/app/host.h"
#include "host/app/reload.h"
#include "host/app/screening.h"
#include "host/base/mutex.h"
#include "host/base/task_thread.h"
#include "host/bus/probation.h"
#include "host/http/server.h"
#include "host/ingress/ingress.h"
#include "host/lineage/store.h"
#include "host/shard/suspect_file.h"

// A host's state and its parts by subject, one source file each. Only host*.cc include this.
namespace outboard::app {

// Members in the order of their making; the last is stopped first.
class Host::Impl {
 public:
  explicit Impl(const config::Config& config)
      : started_at_(clock_.Now()),
        setup_(std::make_shared<const Setup>(Setup{config, Ids(), {}})),
        probation_(&clock_),
        reloader_(&clock_) {}

  absl::Status Start();
  absl::Status StartAll();
  absl::StatusOr<Reloaded> Reload(const ReloadOptions& options) OUTBOARD_EXCLUDES(reload_mu_);
  absl::Status Reload(const host::v1::ReloadRequest& request, host::v1::ReloadResponse* response);
  void ReloadLater();
  absl::Status PauseLane(const std::string& name, bool paused,
                         host::v1::PauseLaneResponse* response) OUTBOARD_EXCLUDES(reload_mu_);
  // Ends the pause, or else goes on past the dead letters by which it is stopped.
  absl::Status Resume(const std::string& name, host::v1::PauseLaneResponse* response);
  void WatchDeadLetters(const Setup& setup);
  bool Drain();
  admin::Snapshot Take();
  std::vector<shard::LaneEvent> Find(const absl::flat_hash_set<std::string>& ids);
  absl::Status Listen();
  absl::Status ListenToStrangers(const config::Config& config);
  void StopListening();
  absl::Status StartPlugins();
  void WaitUntilStarted() OUTBOARD_EXCLUDES(mu_);
  void TakeLanes(admin::Snapshot* snapshot);
  void TakePlugins(const Setup& setup, admin::Snapshot* snapshot);
  std::string http_address() OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return http_address_;
  }

  // Of a reload.
  absl::StatusOr<Reloaded> ReloadNow(const ReloadOptions& options);
  void OpenPipelines(const Setup& setup);
  std::shared_ptr<DeadStops> dead_stops() OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return dead_stops_;
  }
  void StopWatching() OUTBOARD_EXCLUDES(mu_) {
    std::shared_ptr<DeadStops> last;
    {
      MutexLock lock(mu_);
      last.swap(dead_stops_);
    }
    if (last) last->Stop();  // Others may hold it for a moment.
  }
  // What the instances are told beside their config.
  void Tell(fleet::PluginSpec* spec) const {
    if (plugin_door_) plugin_door_->Tell(spec);
  }
  std::shared_ptr<const Setup> setup() OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return setup_;
  }

  RealClock clock_;
  ByShard by_shard_;
  const Time started_at_;
  std::string admin_socket_;
  std::string grpc_address_;
  std::atomic<bool> running_{false};  // Fleet and shards may be asked.
  std::atomic<bool> draining_{false};
  std::atomic<bool> stopping_{false};  // No reload goes on.
  Mutex mu_;
  CondVar started_;
  bool start_over_ OUTBOARD_GUARDED_BY(mu_) = false;   // Well or not.
  std::string http_address_ OUTBOARD_GUARDED_BY(mu_);  // Scrapes may come before it is set.
  std::shared_ptr<const Setup> setup_ OUTBOARD_GUARDED_BY(mu_);
  admin::Reloads reloads_ OUTBOARD_GUARDED_BY(mu_);
  Mutex reload_mu_;                          // Held by the reload under way, and by a drain.
  std::optional<DataFolder> data_;           // Let go last.
  std::unique_ptr<PluginDoor> plugin_door_;  // Null: no launched plugin publishes.
  std::unique_ptr<access::Tokens> tokens_;   // Null: nobody is asked for one.
  bus::Probation probation_;
  std::unique_ptr<lineage::Store> lineage_;  // Null: nothing is kept.
  std::unique_ptr<bus::Bus> bus_;
  std::unique_ptr<Screening> screening_;  // Null: publishers' events go straight to the bus.
  std::unique_ptr<ingress::Ingress> ingress_;
  std::unique_ptr<admin::AdminService> admin_service_;
  std::unique_ptr<admin::PublisherService> publisher_service_;
  std::unique_ptr<admin::PipelineService> pipeline_service_;
  std::unique_ptr<shard::SuspectFile> suspects_;
  std::vector<std::unique_ptr<shard::Shard>> shards_;
  std::unique_ptr<fleet::Fleet> fleet_;
  std::shared_ptr<DeadStops> dead_stops_ OUTBOARD_GUARDED_BY(mu_);  // Null: shards are not there.
  std::unique_ptr<admin::Server> admin_;
  std::unique_ptr<admin::GuardedServer> guarded_;
  std::unique_ptr<http::Server> http_;
  TaskThread reloader_;

  ~Impl() {
    stopping_ = true;
    {
      MutexLock lock(reload_mu_);  // None is under way, and none begins.
    }
    StopListening();
    if (screening_) screening_->Close();
    StopWatching();
    if (fleet_) fleet_->Shutdown(Duration::zero());  // Speaks to shards until then.
    shards_.clear();
    fleet_.reset();
  }
};

}  // namespace outboard::app
