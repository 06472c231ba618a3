#include "host/app/wiring.h"

#include <sys/types.h>

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/app/socket_path.h"
#include "host/base/status.h"
#include "host/bus/embedded/embedded_bus.h"
#include "host/bus/memory/memory_bus.h"
#include "host/bus/rabbitmq/rabbitmq_bus.h"

namespace outboard::app {
namespace {

bus::Mode ToMode(config::DeliveryMode mode) {
  switch (mode) {
    case config::DeliveryMode::kPool: return bus::Mode::kPool;
    case config::DeliveryMode::kSingleton: return bus::Mode::kSingleton;
    case config::DeliveryMode::kBroadcast: return bus::Mode::kBroadcast;
  }
  return bus::Mode::kPool;
}

bus::From ToFrom(const config::FromSpec& from) {
  using In = config::FromSpec::Kind;
  using Out = bus::From::Kind;
  switch (from.kind) {
    case In::kNext: return {Out::kNext, 0, {}};
    case In::kFirst: return {Out::kFirst, 0, {}};
    case In::kLast: return {Out::kLast, 0, {}};
    case In::kOffset: return {Out::kOffset, from.offset, {}};
    case In::kTime: return {Out::kTime, 0, from.time};
  }
  return {};
}

// Calls visit(route, target) for every lane in the order of the file.
template <typename Visit>
void ForEachLane(const config::Config& config, Visit visit) {
  for (const config::Route& route : config.routes) {
    for (const config::Target& target : route.to) visit(route, target);
  }
}

// Where the events of a lane go in turn: its stages, then its target.
struct Hop {
  bus::LaneId id = 0;
  bool first = false;
  std::optional<bus::LaneId> next;
  config::Stage stage;  // A target's component too.
  plugin::Use use = plugin::Use::kStage;
};

std::vector<Hop> HopsOf(const config::Route& route, const config::Target& target,
                        const Ids::Lane& ids) {
  std::vector<Hop> hops;
  for (const config::Stage& stage : route.stages) hops.emplace_back().stage = stage;
  hops.emplace_back().stage.component = target;
  hops.back().use = plugin::Use::kTarget;
  for (size_t i = 0; i < hops.size(); ++i) {
    hops[i].id = ids.hops[i];
    hops[i].first = hops[i].id == ids.id;
  }
  std::optional<bus::LaneId> next;
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    hop->next = next;
    if (!hop->stage.observe) next = hop->id;
  }
  return hops;
}

lane::LaneOptions ToLane(const Hop& hop, const config::Route& route, const config::Target& target,
                         lane::ComponentId component) {
  lane::LaneOptions lane;
  lane.id = hop.id;
  lane.role = hop.use == plugin::Use::kStage ? lane::Role::kStage : lane::Role::kWorker;
  lane.first = hop.first;
  lane.next = hop.next;
  lane.fail_open = hop.stage.fail_open;
  lane.observes = hop.stage.observe;
  lane.time_limit = hop.stage.time_limit;
  lane.name = LaneName(route, target);
  lane.route = route.name;
  lane.component = component;
  lane.order_by = route.order_by;
  lane.retry.max_attempts = route.retry.max_attempts;
  lane.retry.initial = route.retry.initial;
  lane.retry.max = route.retry.max;
  lane.retry.probe_limit = route.retry.probe_limit;
  lane.stops = route.on_dead_letter == config::OnDeadLetter::kStop && !hop.stage.observe;
  lane.parks = route.on_dead_letter == config::OnDeadLetter::kPark && hop.first;
  return lane;
}

lane::LaneOptions ToCallLane(bus::LaneId id, const std::string& chain, const config::Stage& stage,
                             lane::ComponentId component) {
  lane::LaneOptions lane;
  lane.id = id;
  lane.name = absl::StrCat(chain, "/", stage.component.text());
  lane.route = chain;
  lane.component = component;
  lane.role = lane::Role::kStage;
  lane.calls = true;
  lane.time_limit = stage.time_limit;
  return lane;
}

lane::ComponentId IdOf(const config::Target& named, plugin::Use use, const Ids::Plugin& plugin) {
  const auto& all = plugin.components;
  const auto known =
      std::find_if(all.begin(), all.end(), [&](const shard::ComponentOptions& component) {
        return component.name == named.component && component.use == use;
      });
  OUTBOARD_CHECK(known != all.end());
  return static_cast<lane::ComponentId>(known - all.begin());
}

shard::PluginOptions ToPlugin(const Setup& setup, const config::Plugin& plugin) {
  const config::Config& config = setup.config;
  const Ids& all = setup.ids;
  const Ids::Plugin& ids = all.plugins.at(plugin.name);
  shard::PluginOptions out;
  out.id = ids.id;
  out.name = plugin.name;
  out.start_timeout = plugin.start_timeout;
  out.max_in_flight = plugin.max_in_flight;
  out.components = ids.components;
  lane::DispatcherOptions& d = out.dispatcher;
  d.plugin = plugin.name;
  d.remote = plugin.run.empty();
  d.time_limit = plugin.time_limit;
  d.crash_limit = plugin.crash_limit;
  d.circuit = {plugin.circuit.crashes, plugin.circuit.within, plugin.circuit.trial_after};
  d.event_limits.max_bytes = config.bus.max_event_bytes;
  d.emits = plugin.emits;
  d.lineage = config.host.lineage.on;
  for (const shard::ComponentOptions& component : ids.components)
    d.components.push_back(config::Target{plugin.name, component.name}.text());
  ForEachLane(config, [&](const config::Route& route, const config::Target& target) {
    for (const Hop& hop : HopsOf(route, target, all.lanes.at(LaneName(route, target)))) {
      if (hop.stage.component.plugin != plugin.name) continue;
      d.lanes.push_back(ToLane(hop, route, target, IdOf(hop.stage.component, hop.use, ids)));
      d.lanes.back().paused = setup.lanes.paused.count(d.lanes.back().name) > 0;
    }
  });
  const std::vector<Chain> chains = ChainsOf(config);
  for (size_t at = 0; at < chains.size(); ++at) {
    for (size_t i = 0; i < chains[at].stages->size(); ++i) {
      const config::Stage& stage = (*chains[at].stages)[i];
      if (stage.component.plugin != plugin.name) continue;
      d.lanes.push_back(ToCallLane(all.chains[at].stages[i], chains[at].name, stage,
                                   IdOf(stage.component, plugin::Use::kStage, ids)));
    }
  }
  return out;
}

}  // namespace

std::vector<bus::LaneSpec> LaneSpecs(const config::Config& config) {
  std::vector<bus::LaneSpec> specs;
  ForEachLane(config, [&](const config::Route& route, const config::Target& target) {
    bus::LaneSpec spec;
    spec.name = LaneName(route, target);
    spec.filters = {{route.service, route.events}};
    spec.mode = ToMode(route.mode);
    spec.reliable = route.reliable;
    spec.ordered = !route.order_by.empty();
    spec.from = ToFrom(route.from);
    if (route.on_dead_letter == config::OnDeadLetter::kPark) {
      spec.parking = {route.order_by, route.park_limit,
                      route.park_overflow == config::ParkOverflow::kDead};
    }
    specs.push_back(std::move(spec));
  });
  return specs;
}

namespace {

supervise::Limits ToLimits(const config::Limits& limits) {
  return {limits.memory, limits.cpu_millis, limits.processes, limits.files, limits.require};
}

// `own_users`: those given to the plugins before this one.
supervise::Sandbox ToSandbox(const config::Config& config, const config::Plugin& plugin,
                             std::vector<uid_t>* own_users) {
  supervise::Sandbox out;
  out.on = plugin.sandbox.on;
  if (!out.on) return out;
  out.user = plugin.sandbox.user;
  if (out.user.empty()) {
    out.own_user = supervise::ChooseOwnUser(config.host.name, plugin.name, own_users);
  }
  out.write = plugin.sandbox.write;
  // What would make it another plugin, or the host: all events, the config, and the commands.
  out.hide = {config.host.data, config.path, AdminSocketPath(config.host)};
  if (config.bus.path != config.host.data) out.hide.push_back(config.bus.path);
  out.hide.push_back(config.host.token_file);
  if (config.host.tls) out.hide.push_back(config.host.tls->key_file);
  out.hide.push_back(config.bus.rabbitmq.tls.key_file);
  for (const config::Plugin& other : config.plugins) {
    out.hide.push_back(other.token_file);
    if (other.tls) out.hide.push_back(other.tls->key_file);
  }
  std::erase_if(out.hide, [](const std::string& path) { return path.empty(); });
  out.hide_more = plugin.sandbox.hide;
  out.network = plugin.sandbox.network;
  out.filter_syscalls = plugin.sandbox.filter_syscalls;
  out.require = plugin.sandbox.require;
  return out;
}

fleet::PluginSpec ToSpec(const config::Config& config, const config::Plugin& plugin,
                         std::vector<uid_t>* own_users) {
  fleet::PluginSpec spec;
  spec.name = plugin.name;
  spec.program.name = plugin.name;
  spec.program.argv = plugin.run;
  spec.program.directory = config.directory;
  spec.program.env = plugin.env;
  spec.program.grace = plugin.grace;
  spec.program.core = plugin.core;
  spec.program.restart_initial = plugin.restart_initial;
  spec.program.restart_max = plugin.restart_max;
  spec.program.limits = ToLimits(plugin.limits);
  spec.program.sandbox = ToSandbox(config, plugin, own_users);
  spec.address = plugin.address;
  if (plugin.tls) {
    spec.tls = {plugin.tls->ca_file, plugin.tls->cert_file, plugin.tls->key_file,
                plugin.tls->server_name};
  }
  spec.instances = plugin.instances;
  spec.config_json = plugin.config_json;
  spec.start_timeout = plugin.start_timeout;
  return spec;
}

}  // namespace

fleet::FleetOptions FleetOptions(const config::Config& config) {
  fleet::FleetOptions options;
  std::vector<uid_t> own_users;
  options.host_name = config.host.name;
  options.supervisor.data_dir = config.host.data;
  for (const config::Plugin& plugin : config.plugins)
    options.plugins.push_back(ToSpec(config, plugin, &own_users));
  return options;
}

std::vector<shard::ShardOptions> ShardOptions(const Setup& setup) {
  const config::Config& config = setup.config;
  const Ids& ids = setup.ids;
  std::vector<shard::ShardOptions> shards(std::max<uint32_t>(config.host.shards, 1));
  for (size_t i = 0; i < shards.size(); ++i) {
    shards[i].host_name = config.host.name;
    shards[i].seed = std::random_device()();
    shards[i].pipelines.resize(ids.next_position[i]);
  }
  for (const config::Plugin& plugin : config.plugins)
    shards[ids.plugins.at(plugin.name).shard].plugins.push_back(ToPlugin(setup, plugin));
  const std::vector<Chain> chains = ChainsOf(config);
  for (size_t at = 0; at < chains.size(); ++at) {
    const Ids::Chain& chain = ids.chains[at];
    pipeline::Pipeline& pipeline = shards[chain.shard].pipelines[chain.position];
    pipeline.name = chains[at].name;
    for (size_t i = 0; i < chain.stages.size(); ++i) {
      const config::Stage& stage = (*chains[at].stages)[i];
      pipeline.stages.push_back({stage.component.text(), chain.stages[i], stage.fail_open});
    }
  }
  return shards;
}

namespace {

constexpr Duration kAskFor = std::chrono::seconds(5);
constexpr Duration kAskEachFor = std::chrono::seconds(1);

absl::StatusOr<bus::RabbitmqBusOptions> RabbitmqOptions(const config::Config& config) {
  const config::Rabbitmq& in = config.bus.rabbitmq;
  bus::RabbitmqBusOptions options;
  OUTBOARD_ASSIGN_OR_RETURN(options.connection, bus::amqp::ParseUrl(in.url));
  options.connection.heartbeat = in.heartbeat;
  options.connection.tls.ca_file = in.tls.ca_file;
  options.connection.tls.cert_file = in.tls.cert_file;
  options.connection.tls.key_file = in.tls.key_file;
  options.connection.tls.server_name = in.tls.server_name;
  options.connection.tls.verify = in.tls.verify;
  options.host = config.host.name;
  options.replica = config.host.replica;
  options.data = config.host.data;
  options.quorum = in.quorum;
  options.queue_arguments = in.queue_arguments;
  options.declare = in.declare;
  options.dialect = in.dialect;
  for (const auto& [name, source] : in.sources) {
    options.sources[name] = {source.exchange, source.declare, source.routing_keys, source.dialect};
  }
  options.prefetch = static_cast<uint16_t>(in.prefetch);
  options.prefetch_bytes = in.prefetch_bytes;
  options.limits.max_bytes = config.bus.max_event_bytes;
  return options;
}

absl::StatusOr<std::unique_ptr<bus::Bus>> OpenRabbitmq(const config::Config& config,
                                                       const Clock* clock,
                                                       bus::Probation* probation) {
  OUTBOARD_ASSIGN_OR_RETURN(bus::RabbitmqBusOptions options, RabbitmqOptions(config));
  options.clock = clock;
  options.probation = probation;
  return bus::RabbitmqBus::Open(std::move(options));
}

}  // namespace

absl::Status CheckRabbitmq(const config::Config& config) {
  OUTBOARD_ASSIGN_OR_RETURN(const bus::RabbitmqBusOptions options, RabbitmqOptions(config));
  return bus::RabbitmqBus::Check(options, LaneSpecs(config));
}

absl::StatusOr<bus::SettlementInfo> AskBroker(const config::Config& config) {
  OUTBOARD_ASSIGN_OR_RETURN(bus::RabbitmqBusOptions options, RabbitmqOptions(config));
  // Its endpoints are tried one after the other.
  options.connection.timeout = std::max<Duration>(
      kAskFor / std::max<size_t>(options.connection.endpoints.size(), 1), kAskEachFor);
  return bus::RabbitmqBus::Ask(options);
}

bus::SettlementInfo PlanWithoutBroker(const config::Config& config) {
  return bus::rabbitmq::SettlementPlan::WithoutBroker(config.bus.rabbitmq.quorum);
}

absl::StatusOr<std::unique_ptr<bus::Bus>> OpenBus(const config::Config& config, const Clock* clock,
                                                  bus::Probation* probation) {
  if (config.bus.kind == "memory")
    return std::make_unique<bus::MemoryBus>(bus::MemoryBusOptions{clock});
  if (config.bus.kind == "rabbitmq") return OpenRabbitmq(config, clock, probation);
  bus::EmbeddedBusOptions options;
  options.path = config.bus.path;
  options.clock = clock;
  options.probation = probation;
  switch (config.bus.synchronous) {
    case config::Synchronous::kFull: options.synchronous = bus::Synchronous::kFull; break;
    case config::Synchronous::kNormal: options.synchronous = bus::Synchronous::kNormal; break;
    case config::Synchronous::kOff: options.synchronous = bus::Synchronous::kOff; break;
  }
  options.retention.keep_age = config.bus.retain_for;
  options.retention.keep_bytes = config.bus.retain_bytes;
  options.retention.max_bytes = config.bus.max_bytes;
  return bus::EmbeddedBus::Open(std::move(options));
}

}  // namespace outboard::app
