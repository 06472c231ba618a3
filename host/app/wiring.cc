#include "host/app/wiring.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
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

std::string LaneName(const config::Route& route, const config::Target& target) {
  return absl::StrCat(route.name, "/", target.text());
}

// Calls visit(id, route, target) for every lane in the order of the file.
template <typename Visit>
void ForEachLane(const config::Config& config, Visit visit) {
  bus::LaneId id = 0;
  for (const config::Route& route : config.routes) {
    for (const config::Target& target : route.to) visit(id++, route, target);
  }
}

lane::LaneOptions ToLane(bus::LaneId id, const config::Route& route, const config::Target& target,
                         lane::ComponentId component) {
  lane::LaneOptions lane;
  lane.id = id;
  lane.name = LaneName(route, target);
  lane.route = route.name;
  lane.component = component;
  lane.order_by = route.order_by;
  lane.retry.max_attempts = route.retry.max_attempts;
  lane.retry.initial = route.retry.initial;
  lane.retry.max = route.retry.max;
  lane.retry.probe_limit = route.retry.probe_limit;
  return lane;
}

shard::PluginOptions ToPlugin(const config::Config& config, fleet::PluginId id) {
  const config::Plugin& plugin = config.plugins[id];
  shard::PluginOptions out;
  out.id = id;
  out.name = plugin.name;
  out.config_json = plugin.config_json;
  out.start_timeout = plugin.start_timeout;
  out.max_in_flight = plugin.max_in_flight;
  lane::DispatcherOptions& d = out.dispatcher;
  d.plugin = plugin.name;
  d.remote = plugin.run.empty();
  d.time_limit = plugin.time_limit;
  d.crash_limit = plugin.crash_limit;
  d.circuit = {plugin.circuit.crashes, plugin.circuit.within, plugin.circuit.trial_after};
  d.event_limits.max_bytes = config.bus.max_event_bytes;
  ForEachLane(
      config, [&](bus::LaneId lane, const config::Route& route, const config::Target& target) {
        if (target.plugin != plugin.name) return;
        const auto known =
            std::find(out.component_names.begin(), out.component_names.end(), target.component);
        const auto component = static_cast<lane::ComponentId>(known - out.component_names.begin());
        if (known == out.component_names.end()) {
          out.component_names.push_back(target.component);
          d.components.push_back(target.text());
        }
        d.lanes.push_back(ToLane(lane, route, target, component));
      });
  return out;
}

}  // namespace

std::vector<bus::LaneSpec> LaneSpecs(const config::Config& config) {
  std::vector<bus::LaneSpec> specs;
  ForEachLane(config, [&](bus::LaneId, const config::Route& route, const config::Target& target) {
    bus::LaneSpec spec;
    spec.name = LaneName(route, target);
    spec.filters = {{route.service, route.events}};
    spec.mode = ToMode(route.mode);
    spec.reliable = route.reliable;
    spec.ordered = !route.order_by.empty();
    spec.from = ToFrom(route.from);
    specs.push_back(std::move(spec));
  });
  return specs;
}

fleet::FleetOptions FleetOptions(const config::Config& config) {
  fleet::FleetOptions options;
  options.host_name = config.host.name;
  options.supervisor.data_dir = config.host.data;
  for (const config::Plugin& plugin : config.plugins) {
    fleet::PluginSpec spec;
    spec.name = plugin.name;
    spec.program.name = plugin.name;
    spec.program.argv = plugin.run;
    spec.program.directory = config.directory;
    spec.program.env = plugin.env;
    spec.program.grace = plugin.grace;
    spec.program.restart_initial = plugin.restart_initial;
    spec.program.restart_max = plugin.restart_max;
    spec.address = plugin.address;
    spec.instances = plugin.instances;
    spec.config_json = plugin.config_json;
    spec.start_timeout = plugin.start_timeout;
    options.plugins.push_back(std::move(spec));
  }
  return options;
}

size_t ShardOf(const config::Config& config, fleet::PluginId plugin) {
  return plugin % std::max<uint32_t>(config.host.shards, 1);
}

std::vector<shard::ShardOptions> ShardOptions(const config::Config& config) {
  std::vector<shard::ShardOptions> shards(std::max<uint32_t>(config.host.shards, 1));
  for (shard::ShardOptions& options : shards) {
    options.host_name = config.host.name;
    options.seed = std::random_device()();
  }
  for (fleet::PluginId id = 0; id < config.plugins.size(); ++id) {
    shards[ShardOf(config, id)].plugins.push_back(ToPlugin(config, id));
  }
  return shards;
}

namespace {

absl::StatusOr<std::unique_ptr<bus::Bus>> OpenRabbitmq(const config::Config& config,
                                                       const Clock* clock) {
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
  options.declare = in.declare;
  options.exchanges = in.exchanges;
  options.prefetch = static_cast<uint16_t>(in.prefetch);
  options.limits.max_bytes = config.bus.max_event_bytes;
  if (in.form == "protobuf") options.dialect.form = dialect::CloudEventsForm::kProtobuf;
  if (in.form == "json") options.dialect.form = dialect::CloudEventsForm::kStructuredJson;
  options.clock = clock;
  return bus::RabbitmqBus::Open(std::move(options));
}

}  // namespace

absl::StatusOr<std::unique_ptr<bus::Bus>> OpenBus(const config::Config& config,
                                                  const Clock* clock) {
  if (config.bus.kind == "memory")
    return std::make_unique<bus::MemoryBus>(bus::MemoryBusOptions{clock});
  if (config.bus.kind == "rabbitmq") return OpenRabbitmq(config, clock);
  bus::EmbeddedBusOptions options;
  options.path = config.bus.path;
  options.clock = clock;
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
