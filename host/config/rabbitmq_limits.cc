#include "host/config/rabbitmq_limits.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "host/config/units.h"

namespace outboard::config {
namespace {

constexpr Duration kMaxTimeLimit = std::chrono::minutes(5);
constexpr Duration kMaxHeld = std::chrono::minutes(8);

const Plugin* FindPlugin(const Config& config, const std::string& name) {
  for (const Plugin& plugin : config.plugins) {
    if (plugin.name == name) return &plugin;
  }
  return nullptr;
}

// The longest that an event which fails each time is held: all attempts, and all delays between.
Duration LongestHeld(const Retry& retry, Duration time_limit) {
  Duration held = time_limit * retry.max_attempts;
  Duration delay = retry.initial;
  for (uint32_t i = 1; i < retry.max_attempts && held <= kMaxHeld; ++i) {
    held += std::min(delay, retry.max);
    delay = std::min(delay * 2, retry.max);
  }
  return held;
}

void CheckOrdered(const Config& config, const Route& route, const Value& value) {
  for (const Target& target : route.to) {
    const Plugin* plugin = FindPlugin(config, target.plugin);
    if (plugin == nullptr) continue;  // Reported already.
    const Duration held = LongestHeld(route.retry, plugin->time_limit);
    if (held <= kMaxHeld) continue;
    value.Problem(
        absl::StrCat("an event that fails each time is held for more than ",
                     FormatDuration(kMaxHeld), " by the ordered lane ", route.name, "/",
                     target.text(), " (", route.retry.max_attempts, " attempts of ",
                     FormatDuration(plugin->time_limit),
                     " and the delays between), and RabbitMQ takes back what is held for long"),
        "lower retry.max_attempts, retry.max or the plugin's time_limit");
  }
}

}  // namespace

void CheckRabbitmqLimits(const Config& config, const std::vector<Value>& plugins,
                         const std::vector<Value>& routes) {
  if (config.bus.kind != "rabbitmq") return;
  for (size_t i = 0; i < config.plugins.size(); ++i) {
    if (config.plugins[i].time_limit <= kMaxTimeLimit) continue;
    plugins[i].Problem(
        absl::StrCat("time_limit (", FormatDuration(config.plugins[i].time_limit),
                     ") is above what RabbitMQ allows for (", FormatDuration(kMaxTimeLimit), ")"),
        "lower it, and let a longer job go on by itself");
  }
  for (size_t i = 0; i < config.routes.size(); ++i) {
    const Route& route = config.routes[i];
    if (!route.order_by.empty()) CheckOrdered(config, route, routes[i]);
    if (route.from.kind != FromSpec::Kind::kNext) {
      routes[i].Problem("from: RabbitMQ's queues cannot be read again", "remove from");
    }
    if (route.mode == DeliveryMode::kBroadcast && route.reliable && config.host.replica.empty()) {
      routes[i].Problem("a reliable broadcast keeps a queue for each replica, by a name that stays",
                        "set host.replica, or delivery.reliable: false");
    }
  }
}

}  // namespace outboard::config
