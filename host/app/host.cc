#include "host/app/host.h"

#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "host/admin/long_pause.h"
#include "host/admin/server.h"
#include "host/app/socket_path.h"
#include "host/app/wiring.h"
#include "host/base/log.h"
#include "host/base/mutex.h"
#include "host/base/status.h"
#include "host/http/server.h"
#include "host/plugin/grpc/library.h"

namespace outboard::app {
namespace {

absl::Status MakeDataFolder(const std::string& path) {
  for (size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at + 1);
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), 0700) == 0 || errno == EEXIST) continue;
    return absl::PermissionDeniedError(
        absl::StrCat("cannot make the data folder ", part, ": ", strerror(errno),
                     ": set host.data to a folder that this user may write"));
  }
  return absl::OkStatus();
}

// Hands what the fleet says of a plugin to the shard that has its lanes.
class ByShard final : public fleet::FleetListener {
 public:
  explicit ByShard(const config::Config& config) : config_(config) {}
  void Add(shard::Shard* shard) { shards_.push_back(shard); }

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
  shard::Shard& Of(fleet::PluginId plugin) { return *shards_[ShardOf(config_, plugin)]; }

  const config::Config& config_;
  std::vector<shard::Shard*> shards_;
};

}  // namespace

// Members in the order of their making; the last is stopped first.
class Host::Impl {
 public:
  explicit Impl(const config::Config& config)
      : config_(config), by_shard_(config_), started_at_(clock_.Now()) {}

  absl::Status Start();
  bool Drain();
  admin::Snapshot Take();
  absl::Status Listen();
  absl::Status StartPlugins();
  void WaitUntilStarted() OUTBOARD_EXCLUDES(mu_);
  void TakeLanes(admin::Snapshot* snapshot);
  void TakePlugins(admin::Snapshot* snapshot);
  std::string http_address() OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return http_address_;
  }

  const config::Config config_;
  RealClock clock_;
  ByShard by_shard_;
  const Time started_at_;
  std::string admin_socket_;
  std::atomic<bool> running_{false};  // Fleet and shards may be asked.
  std::atomic<bool> draining_{false};
  Mutex mu_;
  CondVar started_;
  bool start_over_ OUTBOARD_GUARDED_BY(mu_) = false;   // Well or not.
  std::string http_address_ OUTBOARD_GUARDED_BY(mu_);  // Scrapes may come before it is set.
  std::unique_ptr<bus::Bus> bus_;
  std::unique_ptr<admin::AdminService> admin_service_;
  std::unique_ptr<admin::PublisherService> publisher_service_;
  std::vector<std::unique_ptr<shard::Shard>> shards_;
  std::unique_ptr<fleet::Fleet> fleet_;
  std::unique_ptr<admin::Server> admin_;
  std::unique_ptr<http::Server> http_;

  ~Impl() {
    http_.reset();
    admin_.reset();
    if (fleet_) fleet_->Shutdown(Duration::zero());  // Speaks to shards until then.
    shards_.clear();
    fleet_.reset();
  }
};

absl::Status Host::Impl::Start() {
  plugin::KeepGrpcUp();
  OUTBOARD_RETURN_IF_ERROR(MakeDataFolder(config_.host.data));
  OUTBOARD_ASSIGN_OR_RETURN(bus_, OpenBus(config_, &clock_));
  OUTBOARD_RETURN_IF_ERROR(bus_->Declare(LaneSpecs(config_)));
  // A taken socket or port is found out before any plugin was started.
  OUTBOARD_RETURN_IF_ERROR(Listen());
  absl::Status status = StartPlugins();
  running_ = status.ok();
  MutexLock lock(mu_);
  start_over_ = true;
  started_.NotifyAll();
  return status;
}

absl::Status Host::Impl::StartPlugins() {
  for (shard::ShardOptions& options : ShardOptions(config_)) {
    shards_.push_back(std::make_unique<shard::Shard>(std::move(options), bus_.get(), &clock_));
    by_shard_.Add(shards_.back().get());
  }
  OUTBOARD_ASSIGN_OR_RETURN(fleet_, fleet::Fleet::Create(FleetOptions(config_), &by_shard_));
  for (auto& shard : shards_) OUTBOARD_RETURN_IF_ERROR(shard->Start(fleet_.get()));
  return absl::OkStatus();
}

void Host::Impl::WaitUntilStarted() {
  MutexLock lock(mu_);
  while (!start_over_) started_.Wait(mu_);
}

absl::Status Host::Impl::Listen() {
  admin_socket_ = AdminSocketPath(config_.host);
  OUTBOARD_RETURN_IF_ERROR(MakeSocketFolder(admin_socket_));
  // People and scripts that ask a host wait until there is something to tell; probes do not.
  admin_service_ = std::make_unique<admin::AdminService>(bus_.get(), [this] {
    WaitUntilStarted();
    return Take();
  });
  publisher_service_ = std::make_unique<admin::PublisherService>(
      bus_.get(), EventLimits{config_.bus.max_event_bytes}, &clock_);
  OUTBOARD_ASSIGN_OR_RETURN(
      admin_, admin::Server::Start(admin_socket_, admin_service_.get(), publisher_service_.get()));
  if (config_.host.http.empty()) return absl::OkStatus();
  OUTBOARD_ASSIGN_OR_RETURN(http_,
                            http::Server::Start({config_.host.http, [this] { return Take(); }}));
  MutexLock lock(mu_);
  http_address_ = http_->address();
  return absl::OkStatus();
}

bool Host::Impl::Drain() {
  draining_ = true;
  bool clean = true;
  for (auto& shard : shards_) clean = shard->Drain(config_.host.drain_timeout) && clean;
  http_.reset();  // They show instances until now.
  admin_.reset();
  fleet_->Shutdown(std::chrono::seconds(10));
  return clean;
}

admin::Snapshot Host::Impl::Take() {
  admin::Snapshot snapshot;
  snapshot.host = config_.host.name;
  snapshot.config_path = config_.path;
  snapshot.http_address = http_address();
  snapshot.admin_socket = admin_socket_;
  snapshot.started_at = started_at_;
  snapshot.now = clock_.Now();
  snapshot.starting = !running_;
  snapshot.draining = draining_;
  snapshot.bus = bus_->Info();
  snapshot.published = publisher_service_->counters();
  if (!snapshot.starting) TakePlugins(&snapshot);
  TakeLanes(&snapshot);
  admin::MarkLongPauses(&snapshot);
  return snapshot;
}

void Host::Impl::TakePlugins(admin::Snapshot* snapshot) {
  std::vector<fleet::PluginStatus> fleet = fleet_->Status();
  for (size_t i = 0; i < config_.plugins.size(); ++i) {
    snapshot->plugins.push_back({config_.plugins[i].name, std::move(fleet[i]), {}});
  }
  size_t lanes = 0;
  for (const config::Route& route : config_.routes) lanes += route.to.size();
  snapshot->lanes.resize(lanes);
  for (const auto& shard : shards_) {
    shard::Status status = shard->GetStatus();
    for (shard::PluginStatus& plugin : status.plugins)
      snapshot->plugins[plugin.id].shard = std::move(plugin);
    for (shard::LaneStatus& lane : status.lanes) snapshot->lanes[lane.id].lane = std::move(lane);
  }
}

// What the bus knows of them, and those that the config does not have.
void Host::Impl::TakeLanes(admin::Snapshot* snapshot) {
  absl::StatusOr<std::vector<bus::LaneInfo>> infos = bus_->Lanes();
  if (!infos.ok()) {
    snapshot->bus_problem = std::string(infos.status().message());
    return;
  }
  if (snapshot->starting) return;
  const size_t lanes = snapshot->lanes.size();
  for (bus::LaneInfo& info : *infos) {
    admin::LaneSnapshot* mine = nullptr;
    for (size_t i = 0; i < lanes; ++i) {
      if (snapshot->lanes[i].lane.name == info.name) mine = &snapshot->lanes[i];
    }
    if (mine == nullptr) {
      mine = &snapshot->lanes.emplace_back();
      mine->lane.name = info.name;
      mine->lane.state = "orphan";
    }
    mine->bus = std::move(info);
  }
}

Host::Host(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Host::~Host() = default;

absl::StatusOr<std::unique_ptr<Host>> Host::Start(const config::Config& config) {
  auto impl = std::make_unique<Impl>(config);
  OUTBOARD_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Host>(new Host(std::move(impl)));
}

bool Host::Drain() { return impl_->Drain(); }
std::string Host::http_address() const { return impl_->http_address(); }
std::string Host::admin_socket() const { return impl_->admin_socket_; }

}  // namespace outboard::app
