#include "host/app/host.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "host/app/host_impl.h"
#include "host/app/paused_lanes.h"
#include "host/app/socket_path.h"
#include "host/app/wiring.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/plugin/grpc/library.h"

namespace outboard::app {
namespace {

// What publishers have under way when the host stops gets so long to be confirmed.
constexpr Duration kConfirmsAtStop = std::chrono::seconds(5);

}  // namespace

absl::Status Host::Impl::Start() {
  absl::Status status = StartAll();
  running_ = status.ok();
  MutexLock lock(mu_);
  start_over_ = true;
  started_.NotifyAll();
  return status;
}

absl::Status Host::Impl::StartAll() {
  plugin::TakeGrpcLog();
  plugin::KeepGrpcUp();
  const std::shared_ptr<const Setup> first = setup();
  const config::Config& config = first->config;
  OUTBOARD_ASSIGN_OR_RETURN(data_, DataFolder::Take(config.host.data));
  OUTBOARD_ASSIGN_OR_RETURN(Ids ids, AssignIds(config, Ids()));
  by_shard_.Know(ids);
  {
    MutexLock lock(mu_);
    setup_ = std::make_shared<const Setup>(
        Setup{config, std::move(ids), ReadPausedLanes(config.host.data)});
    reloads_.applied_at = started_at_;
  }
  // A declaration decodes what a new lane begins with.
  probation_.Begin(config.host.data);
  OUTBOARD_ASSIGN_OR_RETURN(bus_, OpenBus(config, &clock_, &probation_));
  if (config.host.lineage.on) {
    lineage::StoreOptions options;
    options.folder = config.host.data;
    options.rows = config.host.lineage.rows;
    options.age = config.host.lineage.age;
    options.clock = &clock_;
    OUTBOARD_ASSIGN_OR_RETURN(lineage_, lineage::Store::Open(std::move(options)));
  }
  OUTBOARD_RETURN_IF_ERROR(bus_->Declare(LaneSpecs(config)));
  // A taken socket or port is found out before any plugin was started.
  OUTBOARD_RETURN_IF_ERROR(Listen());
  return StartPlugins();
}

absl::Status Host::Impl::StartPlugins() {
  const std::shared_ptr<const Setup> setup = this->setup();
  suspects_ = std::make_unique<shard::SuspectFile>(setup->config.host.data + "/suspects");
  for (shard::ShardOptions& options : ShardOptions(*setup)) {
    options.lineage = lineage_.get();
    options.suspects = suspects_.get();
    shards_.push_back(std::make_unique<shard::Shard>(std::move(options), bus_.get(), &clock_));
    by_shard_.Add(shards_.back().get());
  }
  fleet::FleetOptions fleet_options = FleetOptions(setup->config);
  for (fleet::PluginSpec& spec : fleet_options.plugins) Tell(&spec);
  OUTBOARD_ASSIGN_OR_RETURN(fleet_, fleet::Fleet::Create(std::move(fleet_options), &by_shard_));
  for (auto& shard : shards_) OUTBOARD_RETURN_IF_ERROR(shard->Start(fleet_.get()));
  OpenPipelines(*setup);
  {
    MutexLock lock(mu_);
    dead_stops_ = std::make_shared<DeadStops>(bus_.get(), &clock_, setup->lanes.passed);
  }
  WatchDeadLetters(*setup);
  return absl::OkStatus();
}

void Host::Impl::WatchDeadLetters(const Setup& setup) {
  std::vector<DeadStops::Lane> lanes;
  for (const config::Route& route : setup.config.routes) {
    if (route.on_dead_letter != config::OnDeadLetter::kStop) continue;
    for (const config::Target& target : route.to) {
      shard::Shard* const shard = shards_[setup.ids.plugins.at(target.plugin).shard].get();
      DeadStops::Lane& lane = lanes.emplace_back();
      lane.name = LaneName(route, target);
      const bus::LaneId id = setup.ids.lanes.at(lane.name).id;
      lane.stops = [shard, id] { return shard->StopsOf(id); };
      lane.stop = [shard, id] { shard->StopLane(id); };
      lane.go_on = [shard, id](uint64_t stops) { shard->GoOn(id, stops); };
    }
  }
  if (const auto stops = dead_stops()) stops->Watch(std::move(lanes));
}

void Host::Impl::OpenPipelines(const Setup& setup) {
  std::map<std::string, admin::PipelineService::Place> pipelines;
  std::vector<Screening::Place> screens;
  for (size_t i = 0; i < setup.ids.chains.size(); ++i) {
    const Ids::Chain& chain = setup.ids.chains[i];
    shard::Shard* const shard = shards_[chain.shard].get();
    if (i < setup.config.pipelines.size()) {
      pipelines[setup.config.pipelines[i].name] = {shard, chain.position};
    } else {
      screens.push_back({shard, chain.position});
    }
  }
  pipeline_service_->Open(std::move(pipelines));
  if (screening_) screening_->Open(std::move(screens));
}

void Host::Impl::WaitUntilStarted() {
  MutexLock lock(mu_);
  while (!start_over_) started_.Wait(mu_);
}

absl::Status Host::Impl::Listen() {
  const std::shared_ptr<const Setup> setup = this->setup();
  const config::Config& config = setup->config;
  admin_socket_ = AdminSocketPath(config.host);
  OUTBOARD_RETURN_IF_ERROR(MakeSocketFolder(admin_socket_));
  // People and scripts that ask a host wait until there is something to tell; probes do not.
  const EventLimits limits{config.bus.max_event_bytes};
  admin::HostHooks hooks;
  hooks.take = [this] {
    WaitUntilStarted();
    return Take();
  };
  hooks.pause_lane = [this](const std::string& lane, bool paused,
                            host::v1::PauseLaneResponse* response) {
    return PauseLane(lane, paused, response);
  };
  hooks.dead_left = [this] {
    if (const auto stops = dead_stops()) stops->Look();
  };
  hooks.reload = [this](const host::v1::ReloadRequest& request,
                        host::v1::ReloadResponse* response) { return Reload(request, response); };
  hooks.find = [this](const absl::flat_hash_set<std::string>& ids) { return Find(ids); };
  hooks.lineage = lineage_.get();
  admin_service_ = std::make_unique<admin::AdminService>(bus_.get(), limits, std::move(hooks));
  if (!config.ingress.empty()) screening_ = std::make_unique<Screening>(config.ingress);
  ingress_ = std::make_unique<ingress::Ingress>(bus_.get(), &clock_, ingress::Ingress::kMost,
                                                screening_.get());
  publisher_service_ = std::make_unique<admin::PublisherService>(ingress_.get(), limits);
  pipeline_service_ = std::make_unique<admin::PipelineService>(&clock_);
  OUTBOARD_ASSIGN_OR_RETURN(
      admin_, admin::Server::Start(admin_socket_, admin_service_.get(), publisher_service_.get(),
                                   pipeline_service_.get()));
  OUTBOARD_RETURN_IF_ERROR(ListenToStrangers(config));
  if (config.host.http.empty()) return absl::OkStatus();
  http::ServerOptions options{config.host.http, [this] { return Take(); },
                              config.host.ingress ? ingress_.get() : nullptr, limits};
  options.tls = TlsFilesOf(config);
  if (!config.host.token_file.empty()) options.tokens = tokens_.get();
  OUTBOARD_ASSIGN_OR_RETURN(http_, http::Server::Start(std::move(options)));
  MutexLock lock(mu_);
  http_address_ = http_->address();
  return absl::OkStatus();
}

// Those who have to show a token.
absl::Status Host::Impl::ListenToStrangers(const config::Config& config) {
  OUTBOARD_ASSIGN_OR_RETURN(plugin_door_, PluginDoor::Make(config));
  OUTBOARD_ASSIGN_OR_RETURN(tokens_, LoadTokens(config, plugin_door_.get(), &clock_));
  const std::string plugin_socket = plugin_door_ ? plugin_door_->socket() : "";
  if (config.host.grpc.empty() && plugin_socket.empty()) return absl::OkStatus();
  OUTBOARD_ASSIGN_OR_RETURN(
      guarded_, admin::GuardedServer::Start(
                    {config.host.grpc, TlsFilesOf(config), plugin_socket, tokens_.get()},
                    admin_service_.get(), publisher_service_.get(), pipeline_service_.get()));
  grpc_address_ = guarded_->address();
  return absl::OkStatus();
}

void Host::Impl::StopListening() {
  if (ingress_) ingress_->Stop(kConfirmsAtStop);
  if (admin_service_) admin_service_->Stop();
  http_.reset();
  guarded_.reset();
  admin_.reset();
}

bool Host::Impl::Drain() {
  draining_ = true;
  stopping_ = true;
  {
    MutexLock reload(reload_mu_);  // None is under way any more.
  }
  // Plugins may publish over gRPC as long as they finish what they have in hand.
  ingress_->Close(ingress::Protocol::kHttp);
  ingress_->StopReceipts();
  StopWatching();
  bool clean = true;
  const Duration drain_timeout = setup()->config.host.drain_timeout;
  for (auto& shard : shards_) clean = shard->Drain(drain_timeout) && clean;
  StopListening();  // Instances are shown until now.
  fleet_->Shutdown(std::chrono::seconds(10));
  probation_.EndWell();
  return clean;
}

Host::Host(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Host::~Host() = default;

absl::StatusOr<std::unique_ptr<Host>> Host::Start(const config::Config& config) {
  auto impl = std::make_unique<Impl>(config);
  OUTBOARD_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Host>(new Host(std::move(impl)));
}

absl::StatusOr<Host::Reloaded> Host::Reload(const ReloadOptions& options) {
  return impl_->Reload(options);
}
void Host::ReloadLater() { impl_->ReloadLater(); }
bool Host::Drain() { return impl_->Drain(); }
std::string Host::http_address() const { return impl_->http_address(); }
std::string Host::grpc_address() const { return impl_->grpc_address_; }
std::string Host::admin_socket() const { return impl_->admin_socket_; }

}  // namespace outboard::app
