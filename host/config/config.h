#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/base/clock.h"
#include "host/base/log.h"

// The configuration as plain values with defaults; config/reader.h makes it from YAML.
namespace outboard::config {

struct Host {
  std::string name = "outboard";
  std::string data = "./outboard-data";  // Absolute after reading: relative to the file's folder.
  std::string http = "127.0.0.1:8080";   // host:port, port 0 for any free one; empty: no HTTP.
  std::string admin_socket;              // Empty: the default for this name (design:
                                         // $XDG_RUNTIME_DIR/outboard/<name>.sock).
  Duration drain_timeout = std::chrono::seconds(20);
  uint32_t shards = 1;
  std::string replica;  // Names this replica among those of its name; empty: it has none.
  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;
};

enum class Synchronous { kFull, kNormal, kOff };

// Of bus.kind rabbitmq.
struct Rabbitmq {
  struct Tls {
    std::string ca_file, cert_file, key_file;  // PEM, absolute after reading; empty: none.
    std::string server_name;                   // Empty: the host's name in the URL.
    bool verify = true;
  };
  std::string url;  // amqp[s]://user:password@host[:port][,host...]/vhost; holds a secret.
  bool quorum = true;
  bool declare = true;                           // false: exchanges of sources are only checked.
  std::map<std::string, std::string> exchanges;  // By source, where the name is another.
  uint32_t prefetch = 1000;
  Duration heartbeat = std::chrono::seconds(20);
  Tls tls;
  std::string form = "binary";  // How events are written: "binary", "json" or "protobuf".
};

struct Bus {
  std::string kind = "embedded";  // "embedded", "memory" or "rabbitmq".
  std::string path;  // embedded: folder of its file; absolute after reading; default: host.data.
  Synchronous synchronous = Synchronous::kFull;
  Duration retain_for = std::chrono::hours(24 * 7);
  uint64_t retain_bytes = uint64_t{1} << 30;
  uint64_t max_bytes = uint64_t{10} << 30;
  uint64_t max_event_bytes = uint64_t{1} << 20;
  Rabbitmq rabbitmq;
};

struct Circuit {
  uint32_t crashes = 5;                        // So many without a success between them ...
  Duration within = std::chrono::seconds(60);  // ... in this time open the circuit.
  Duration trial_after = std::chrono::seconds(60);
};

struct Plugin {
  std::string name;
  std::vector<std::string> run;    // Launched: argv. Exactly one of run and address is set.
  std::string address;             // Remote: dns:///name:port, host:port or unix:/path.
  uint32_t instances = 1;          // Launched only.
  std::string config_json = "{}";  // The plugin's own config, as a JSON object; may hold secrets.
  std::map<std::string, std::string> env;
  Duration time_limit = std::chrono::seconds(30);  // For one delivery.
  Duration start_timeout = std::chrono::seconds(60);
  Duration grace = std::chrono::seconds(5);
  Duration restart_initial = std::chrono::milliseconds(500);
  Duration restart_max = std::chrono::seconds(30);
  uint32_t crash_limit = 2;    // Quarantine ends after which an event is set aside.
  uint32_t max_in_flight = 0;  // Of one instance; 0: no limit beside the plugin's own.
  Circuit circuit;
  int line = 0;  // In the file, for later errors.
};

struct Retry {
  uint32_t max_attempts = 12;  // On ordered lanes 8.
  Duration initial = std::chrono::seconds(1);
  Duration max = std::chrono::minutes(5);
  Duration probe_limit = std::chrono::hours(24);
};

enum class DeliveryMode { kPool, kSingleton, kBroadcast };

struct FromSpec {
  enum class Kind { kNext, kFirst, kLast, kOffset, kTime };
  Kind kind = Kind::kNext;
  uint64_t offset = 0;
  Time time{};
};

struct Target {
  std::string plugin;
  std::string component;  // Empty: the plugin's only one.
  int line = 0;           // In the file, for later errors.
  std::string text() const { return component.empty() ? plugin : plugin + "." + component; }
};

struct Route {
  std::string name;
  std::string service;              // Empty: any source.
  std::vector<std::string> events;  // Empty: all types.
  DeliveryMode mode = DeliveryMode::kPool;
  bool reliable = true;
  std::string order_by;  // Attribute; empty: unordered.
  FromSpec from;
  std::vector<Target> to;  // At least one.
  Retry retry;
  int line = 0;
};

struct Config {
  std::string path;       // Of the file, absolute; empty: none.
  std::string directory;  // Its folder; programs run there.
  Host host;
  Bus bus;
  std::vector<Plugin> plugins;
  std::vector<Route> routes;
};

}  // namespace outboard::config
