#include "host/config/dump.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "host/base/log.h"
#include "host/config/scalar.h"
#include "host/config/units.h"
#include "nlohmann/json.hpp"

namespace outboard::config {
namespace {

using Json = nlohmann::ordered_json;

bool SoundsSecret(absl::string_view key) {
  const std::string name = absl::AsciiStrToLower(key);
  for (const char* word : {"password", "passwd", "secret", "token", "api_key", "apikey",
                           "private_key", "credential", "passphrase"}) {
    if (absl::StrContains(name, word)) return true;
  }
  return false;
}

Json Hide(const Json& value, bool secret) {
  Json out;
  if (value.is_object()) {
    out = Json::object();
    for (const auto& [key, child] : value.items())
      out[key] = Hide(child, secret || SoundsSecret(key));
  } else if (value.is_array()) {
    out = Json::array();
    for (const Json& child : value) out.push_back(Hide(child, secret));
  } else if (value.is_null()) {
    out = nullptr;
  } else if (secret) {
    out = "***";
  } else if (value.is_string()) {
    out = RedactSecrets(value.get<std::string>());
  } else {
    // A secret of digits was registered as text.
    const std::string text = value.dump();
    out = RedactSecrets(text) == text ? value : Json("***");
  }
  return out;
}

Json ToJson(const Host& host) {
  static constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};
  return {{"name", host.name},
          {"data", host.data},
          {"http", host.http},
          {"admin_socket", host.admin_socket},
          {"drain_timeout", FormatDuration(host.drain_timeout)},
          {"shards", host.shards},
          {"log",
           {{"format", host.log_format == LogFormat::kJson ? "json" : "text"},
            {"level", kLevels[static_cast<int>(host.log_level)]}}}};
}

Json ToJson(const Rabbitmq& rabbitmq) {
  Json exchanges = Json::object();
  for (const auto& [source, name] : rabbitmq.exchanges) exchanges[source] = name;
  return {{"kind", "rabbitmq"},
          {"url", RedactSecrets(rabbitmq.url)},
          {"queue_type", rabbitmq.quorum ? "quorum" : "classic"},
          {"declare", rabbitmq.declare ? "active" : "passive"},
          {"exchanges", exchanges},
          {"prefetch", rabbitmq.prefetch},
          {"heartbeat", FormatDuration(rabbitmq.heartbeat)},
          {"tls",
           {{"ca_file", rabbitmq.tls.ca_file},
            {"cert_file", rabbitmq.tls.cert_file},
            {"key_file", rabbitmq.tls.key_file},
            {"server_name", rabbitmq.tls.server_name},
            {"verify", rabbitmq.tls.verify}}},
          {"dialect", {{"form", rabbitmq.form}}}};
}

Json ToJson(const Bus& bus) {
  if (bus.kind == "rabbitmq") {
    Json out = ToJson(bus.rabbitmq);
    out["max_event_bytes"] = FormatSize(bus.max_event_bytes);
    return out;
  }
  static constexpr const char* kSynchronous[] = {"full", "normal", "off"};
  return {{"kind", bus.kind},
          {"path", bus.path},
          {"synchronous", kSynchronous[static_cast<int>(bus.synchronous)]},
          {"retain",
           {{"time", FormatDuration(bus.retain_for)}, {"bytes", FormatSize(bus.retain_bytes)}}},
          {"max_bytes", FormatSize(bus.max_bytes)},
          {"max_event_bytes", FormatSize(bus.max_event_bytes)}};
}

Json ToJson(const Plugin& plugin) {
  Json out = {{"name", plugin.name}};
  if (plugin.address.empty()) {
    out["run"] = plugin.run;
    out["instances"] = plugin.instances;
    out["env"] = plugin.env;
    out["grace"] = FormatDuration(plugin.grace);
  } else {
    out["address"] = plugin.address;
  }
  out["config"] = Json::parse(plugin.config_json, nullptr, /*allow_exceptions=*/false);
  out["time_limit"] = FormatDuration(plugin.time_limit);
  out["start_timeout"] = FormatDuration(plugin.start_timeout);
  out["restart"] = {{"initial", FormatDuration(plugin.restart_initial)},
                    {"max", FormatDuration(plugin.restart_max)}};
  out["crash_limit"] = plugin.crash_limit;
  out["max_in_flight"] = plugin.max_in_flight;
  out["circuit"] = {{"crashes", plugin.circuit.crashes},
                    {"within", FormatDuration(plugin.circuit.within)},
                    {"trial_after", FormatDuration(plugin.circuit.trial_after)}};
  return out;
}

Json ToJson(const FromSpec& from) {
  switch (from.kind) {
    case FromSpec::Kind::kNext: return "next";
    case FromSpec::Kind::kFirst: return "first";
    case FromSpec::Kind::kLast: return "last";
    case FromSpec::Kind::kOffset: return from.offset;
    case FromSpec::Kind::kTime: break;
  }
  return absl::FormatTime(absl::RFC3339_full,
                          absl::FromUnixMicros(from.time.time_since_epoch().count()),
                          absl::UTCTimeZone());
}

Json ToJson(const Route& route) {
  static constexpr const char* kModes[] = {"pool", "singleton", "broadcast"};
  Json out = {{"name", route.name}};
  Json source = Json::object();
  if (!route.service.empty()) source["service"] = route.service;
  if (!route.events.empty()) source["events"] = route.events;
  out["source"] = source;
  out["delivery"] = {{"mode", kModes[static_cast<int>(route.mode)]}, {"reliable", route.reliable}};
  if (!route.order_by.empty()) out["delivery"]["order_by"] = route.order_by;
  out["from"] = ToJson(route.from);
  out["to"] = Json::array();
  for (const Target& target : route.to) out["to"].push_back(target.text());
  out["retry"] = {{"max_attempts", route.retry.max_attempts},
                  {"initial", FormatDuration(route.retry.initial)},
                  {"max", FormatDuration(route.retry.max)},
                  {"probe_limit", FormatDuration(route.retry.probe_limit)}};
  return out;
}

}  // namespace

std::string DumpConfig(const Config& config) {
  Json out;
  out["host"] = ToJson(config.host);
  out["bus"] = ToJson(config.bus);
  out["plugins"] = Json::array();
  for (const Plugin& plugin : config.plugins) out["plugins"].push_back(ToJson(plugin));
  out["routes"] = Json::array();
  for (const Route& route : config.routes) out["routes"].push_back(ToJson(route));
  return Hide(out, false).dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace outboard::config
