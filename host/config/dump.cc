#include "host/config/dump.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "host/base/log.h"
#include "host/config/scalar.h"
#include "host/config/sections.h"
#include "host/config/units.h"

namespace outboard::config {

using Json = nlohmann::ordered_json;

namespace {

bool SoundsSecret(absl::string_view key) {
  const std::string name = absl::AsciiStrToLower(key);
  if (absl::EndsWith(name, "_file")) return false;  // Where it is, not what it is.
  for (const char* word : {"password", "passwd", "secret", "token", "api_key", "apikey",
                           "private_key", "credential", "passphrase"}) {
    if (absl::StrContains(name, word)) return true;
  }
  return false;
}

}  // namespace

Json HideSecrets(const Json& value, bool secret) {
  Json out;
  if (value.is_object()) {
    out = Json::object();
    for (const auto& [key, child] : value.items())
      out[key] = HideSecrets(child, secret || SoundsSecret(key));
  } else if (value.is_array()) {
    out = Json::array();
    for (const Json& child : value) out.push_back(HideSecrets(child, secret));
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

namespace {

// Those that are set.
Json Files(std::initializer_list<std::pair<const char*, std::string>> files) {
  Json out = Json::object();
  for (const auto& [key, file] : files) {
    if (!file.empty()) out[key] = file;
  }
  return out;
}

Json TlsJson(const ServerTls& tls) {
  return Files({{"cert_file", tls.cert_file},
                {"key_file", tls.key_file},
                {"client_ca_file", tls.client_ca_file}});
}

Json ToJson(const Host& host) {
  static constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};
  Json out = {{"name", host.name},
              {"data", host.data},
              {"http", host.http},
              {"ingress", host.ingress},
              {"grpc", host.grpc},
              {"admin_socket", host.admin_socket},
              {"drain_timeout", FormatDuration(host.drain_timeout)},
              {"shards", host.shards},
              {"log",
               {{"format", host.log_format == LogFormat::kJson ? "json" : "text"},
                {"level", kLevels[static_cast<int>(host.log_level)]}}}};
  out["lineage"] = false;
  if (host.lineage.on) {
    out["lineage"] = {{"rows", host.lineage.rows}, {"age", FormatDuration(host.lineage.age)}};
  }
  if (!host.replica.empty()) out["replica"] = host.replica;
  if (host.tls) out["tls"] = TlsJson(*host.tls);
  if (host.plaintext) out["tls"] = false;
  if (!host.token_file.empty()) out["token_file"] = host.token_file;
  return out;
}

template <typename T, size_t n>
const char* WordOf(T value, const std::pair<const char*, T> (&words)[n]) {
  for (const auto& [word, meaning] : words) {
    if (meaning == value) return word;
  }
  return "";
}

Json ToJson(const dialect::Places& places) {
  Json out = Json::array();
  for (const dialect::Place& place : places) {
    switch (place.from) {
      case dialect::Place::From::kBody: out.push_back({{"body", place.pointers}}); break;
      case dialect::Place::From::kHeader: out.push_back({{"header", place.text}}); break;
      case dialect::Place::From::kFixed: out.push_back({{"text", place.text}}); break;
      default: out.push_back(WordOf(place.from, kPlaceWords));
    }
  }
  return out;
}

Json ToJson(const dialect::DialectOptions& dialect) {
  Json out = {{"kind", WordOf(dialect.kind, kDialectWords)}};
  if (dialect.kind == dialect::Kind::kCloudEvents) {
    out["form"] = WordOf(dialect.form, kFormWords);
  } else {
    const dialect::Mapping& mapping = dialect.mapping;
    out["attributes"] = {{"id", ToJson(mapping.id)},
                         {"source", ToJson(mapping.source)},
                         {"type", ToJson(mapping.type)},
                         {"subject", ToJson(mapping.subject)},
                         {"time", ToJson(mapping.time)}};
    for (const auto& [name, places] : mapping.more) out["attributes"][name] = ToJson(places);
  }
  out["prefix"] = dialect.prefix;
  return out;
}

Json ToJson(const dialect::Table& arguments) {
  Json out = Json::object();
  for (const auto& [name, field] : arguments) {
    if (field.type == 't') {
      out[name] = field.number != 0;
    } else if (field.is_integer()) {
      out[name] = field.number;
    } else {
      out[name] = field.text;
    }
  }
  return out;
}

Json ToJson(const Rabbitmq& rabbitmq) {
  Json sources = Json::object();
  for (const auto& [name, source] : rabbitmq.sources) {
    sources[name] = {{"exchange", source.exchange},
                     {"declare", source.declare ? "active" : "passive"},
                     {"routing_keys", source.routing_keys},
                     {"dialect", ToJson(source.dialect)}};
  }
  return {{"kind", "rabbitmq"},
          {"url", rabbitmq.url},
          {"queue_type", rabbitmq.quorum ? "quorum" : "classic"},
          {"queue_arguments", ToJson(rabbitmq.queue_arguments)},
          {"declare", rabbitmq.declare ? "active" : "passive"},
          {"dialect", ToJson(rabbitmq.dialect)},
          {"sources", sources},
          {"prefetch", rabbitmq.prefetch},
          {"prefetch_bytes", FormatSize(rabbitmq.prefetch_bytes)},
          {"heartbeat", FormatDuration(rabbitmq.heartbeat)},
          {"tls",
           {{"ca_file", rabbitmq.tls.ca_file},
            {"cert_file", rabbitmq.tls.cert_file},
            {"key_file", rabbitmq.tls.key_file},
            {"server_name", rabbitmq.tls.server_name},
            {"verify", rabbitmq.tls.verify}}}};
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

Json ToJson(const Limits& limits) {
  Json out = Json::object();
  if (limits.memory > 0) out["memory"] = FormatSize(limits.memory);
  if (limits.cpu_millis > 0) out["cpu"] = limits.cpu_millis / 1000.0;
  if (limits.processes > 0) out["processes"] = limits.processes;
  if (limits.files > 0) out["files"] = limits.files;
  out["require"] = limits.require;
  return out;
}

Json ToJson(const Sandbox& sandbox) {
  if (!sandbox.on) return false;
  Json out = Json::object();
  if (!sandbox.user.empty()) out["user"] = sandbox.user;
  out["write"] = sandbox.write;
  out["hide"] = sandbox.hide;
  out["network"] = sandbox.network;
  out["filter_syscalls"] = sandbox.filter_syscalls;
  out["require"] = sandbox.require;
  return out;
}

Json ToJson(const Plugin& plugin) {
  Json out = {{"name", plugin.name}};
  if (plugin.address.empty()) {
    out["run"] = plugin.run;
    out["instances"] = plugin.instances;
    out["env"] = plugin.env;
    out["grace"] = FormatDuration(plugin.grace);
    out["core"] = plugin.core;
    out["limits"] = ToJson(plugin.limits);
    out["sandbox"] = ToJson(plugin.sandbox);
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
  if (!plugin.publish.empty()) out["publish"] = plugin.publish;
  if (!plugin.token_file.empty()) out["token_file"] = plugin.token_file;
  if (!plugin.emits.empty()) out["emits"] = plugin.emits;
  if (plugin.tls) {
    out["tls"] = Files({{"ca_file", plugin.tls->ca_file},
                        {"cert_file", plugin.tls->cert_file},
                        {"key_file", plugin.tls->key_file},
                        {"server_name", plugin.tls->server_name}});
  }
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

Json SourceJson(const std::string& service, const std::vector<std::string>& events) {
  Json source = Json::object();
  if (!service.empty()) source["service"] = service;
  if (!events.empty()) source["events"] = events;
  return source;
}

// Of what events go through.
Json StageJson(const Stage& stage) {
  Json item = {{"stage", stage.component.text()}};
  if (stage.observe) {
    item["observe"] = true;
  } else {
    item["fail"] = stage.fail_open ? "open" : "closed";
  }
  if (stage.time_limit) item["time_limit"] = FormatDuration(*stage.time_limit);
  return item;
}

Json ToJson(const Route& route) {
  static constexpr const char* kModes[] = {"pool", "singleton", "broadcast"};
  Json out = {{"name", route.name}};
  out["source"] = SourceJson(route.service, route.events);
  out["delivery"] = {{"mode", kModes[static_cast<int>(route.mode)]}, {"reliable", route.reliable}};
  if (!route.order_by.empty()) out["delivery"]["order_by"] = route.order_by;
  out["from"] = ToJson(route.from);
  for (const Stage& stage : route.stages) out["stages"].push_back(StageJson(stage));
  out["to"] = Json::array();
  for (const Target& target : route.to) out["to"].push_back(target.text());
  out["retry"] = {{"max_attempts", route.retry.max_attempts},
                  {"initial", FormatDuration(route.retry.initial)},
                  {"max", FormatDuration(route.retry.max)},
                  {"probe_limit", FormatDuration(route.retry.probe_limit)}};
  constexpr const char* kOnDeadLetter[] = {"continue", "stop", "park"};
  out["on_dead_letter"] = kOnDeadLetter[static_cast<int>(route.on_dead_letter)];
  if (route.on_dead_letter == OnDeadLetter::kPark) {
    out["park_limit"] = route.park_limit;
    out["park_overflow"] = route.park_overflow == ParkOverflow::kDead ? "dead" : "stop";
  }
  return out;
}

Json ToJson(const Pipeline& pipeline) {
  Json out = {{"name", pipeline.name}, {"stages", Json::array()}};
  for (const Stage& stage : pipeline.stages) {
    Json& item = out["stages"].emplace_back();
    item["stage"] = stage.component.text();
    if (stage.time_limit) item["time_limit"] = FormatDuration(*stage.time_limit);
  }
  return out;
}

Json ToJson(const Ingress& ingress) {
  Json out = {{"name", ingress.name}};
  out["source"] = SourceJson(ingress.service, ingress.events);
  for (const Stage& stage : ingress.stages) out["stages"].push_back(StageJson(stage));
  return out;
}

}  // namespace

Json ConfigAsJson(const Config& config) {
  Json out;
  out["host"] = ToJson(config.host);
  out["bus"] = ToJson(config.bus);
  out["plugins"] = Json::array();
  for (const Plugin& plugin : config.plugins) out["plugins"].push_back(ToJson(plugin));
  out["routes"] = Json::array();
  for (const Route& route : config.routes) out["routes"].push_back(ToJson(route));
  for (const Pipeline& pipeline : config.pipelines) out["pipelines"].push_back(ToJson(pipeline));
  for (const Ingress& ingress : config.ingress) out["ingress"].push_back(ToJson(ingress));
  return out;
}

std::string DumpConfig(const Config& config) {
  return HideSecrets(ConfigAsJson(config), false)
      .dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace outboard::config
