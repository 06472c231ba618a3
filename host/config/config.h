#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/base/clock.h"
#include "host/base/log.h"
#include "host/dialect/dialect.h"

// The configuration as plain values with defaults; config/reader.h makes it from YAML.
namespace outboard::config {

// Of the ports that the host listens at. PEM, absolute after reading; empty: none.
struct ServerTls {
  std::string cert_file, key_file;
  std::string client_ca_file;  // Clients have to show a certificate of this CA.
};

// What is kept of events that did not go straight through, for `outboard why`.
struct Lineage {
  bool on = true;
  uint32_t rows = 100'000;
  Duration age = std::chrono::hours(24 * 7);
};

struct Host {
  std::string name = "outboard";
  std::string data = "./outboard-data";  // Absolute after reading: relative to the file's folder.
  std::string http = "127.0.0.1:8080";   // host:port, port 0 for any free one; empty: no HTTP.
  bool ingress = true;                   // POST /events takes events. Default: `http` is a loopback
                                         // address.
  std::string grpc;                      // host:port for callers with a token; empty: none.
  std::optional<ServerTls> tls;          // Of http and grpc.
  bool plaintext = false;                // tls: false, though they are not loopback addresses.
  std::string token_file;                // Who may come over http and grpc; empty: nobody is asked.
  std::string admin_socket;              // Empty: the default for this name (design:
                                         // $XDG_RUNTIME_DIR/outboard/<name>.sock).
  Duration drain_timeout = std::chrono::seconds(20);
  uint32_t shards = 1;
  std::string replica;  // Names this replica among those of its name; empty: it has none.
  Lineage lineage;
  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;
};

enum class Synchronous { kFull, kNormal, kOff };

// Of one source on RabbitMQ.
struct Source {
  std::string exchange;
  bool declare = true;  // false: others declare it, with flags of their own.
  std::vector<std::string> routing_keys = {"#"};  // Of those of its messages that are events.
  dialect::DialectOptions dialect;
  int line = 0;  // In the file, for later errors.
};

// Of bus.kind rabbitmq.
struct Rabbitmq {
  struct Tls {
    std::string ca_file, cert_file, key_file;  // PEM, absolute after reading; empty: none.
    std::string server_name;                   // Empty: the host's name in the URL.
    bool verify = true;
  };
  std::string url;  // amqp[s]://user:password@host[:port][,host...]/vhost; holds a secret.
  bool quorum = true;
  bool declare = true;             // false: exchanges of sources are only checked.
  dialect::Table queue_arguments;  // More of them, for the durable queues of lanes.
  dialect::DialectOptions dialect;
  std::map<std::string, Source> sources;  // By name; all others have declare and dialect above.
  uint32_t prefetch = 1000;
  uint64_t prefetch_bytes = uint64_t{16} << 20;
  Duration heartbeat = std::chrono::seconds(20);
  Tls tls;
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

// Of a connection to a remote plugin. PEM, absolute after reading; empty: none.
struct ClientTls {
  std::string ca_file;              // Empty: the system's CAs.
  std::string cert_file, key_file;  // What the host shows.
  std::string server_name;          // Empty: the host of the address.
};

// What the processes of one instance may use together; 0: as much as the host may.
struct Limits {
  uint64_t memory = 0;
  uint32_t cpu_millis = 0;  // Thousandths of a CPU.
  uint32_t processes = 0;   // Each thread counts.
  uint32_t files = 0;       // Of each process.
  bool require = false;     // Do not start without them.
};

struct Sandbox {
  bool on = false;
  std::string user;                // Empty: one of its own where the host is root.
  std::vector<std::string> write;  // Folders; absolute after reading.
  std::vector<std::string> hide;   // Folders and files, beside those of the host; as well.
  bool network = false;
  bool filter_syscalls = true;
  bool require = false;
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
  bool core = false;           // Launched only: may leave core files, and does when stuck.
  uint32_t crash_limit = 2;    // Quarantine ends after which an event is set aside.
  uint32_t max_in_flight = 0;  // Of one instance; 0: no limit beside the plugin's own.
  Circuit circuit;
  std::vector<std::string>
      publish;                     // Types that it may publish with its token; empty: it has none.
  std::string token_file;          // Remote: holds that token.
  std::vector<std::string> emits;  // Types that it may emit; empty: all that it declares.
  std::optional<ClientTls> tls;    // Remote.
  Limits limits;                   // Launched only, as is the sandbox.
  Sandbox sandbox;
  int line = 0;  // In the file, for later errors.
};

struct Retry {
  uint32_t max_attempts = 12;  // On ordered lanes 8.
  Duration initial = std::chrono::seconds(1);
  Duration max = std::chrono::minutes(5);
  Duration probe_limit = std::chrono::hours(24);
};

// What follows a dead letter of a lane.
enum class OnDeadLetter { kContinue, kStop, kPark };
enum class ParkOverflow { kStop, kDead };

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
  friend bool operator==(const Target& a, const Target& b) { return a.text() == b.text(); }
};

// One stage of a route, in front of its targets, of a pipeline, or in front of the bus.
struct Stage {
  Target component;
  bool fail_open = false;              // A failure of the stage lets the event pass.
  bool observe = false;                // It gets copies, and nothing comes of what it says.
  std::optional<Duration> time_limit;  // For one delivery here; nothing: its plugin's.
  friend bool operator==(const Stage&, const Stage&) = default;
};

struct Route {
  std::string name;
  std::string service;              // Empty: any source.
  std::vector<std::string> events;  // Empty: all types.
  DeliveryMode mode = DeliveryMode::kPool;
  bool reliable = true;
  std::string order_by;  // Attribute; empty: unordered.
  FromSpec from;
  std::vector<Stage> stages;  // In order, before each target.
  std::vector<Target> to;     // At least one.
  Retry retry;
  OnDeadLetter on_dead_letter = OnDeadLetter::kContinue;
  uint32_t park_limit = 10'000;                      // Events that wait behind dead letters, ...
  ParkOverflow park_overflow = ParkOverflow::kStop;  // ... and what follows beyond it.
  int line = 0;
};

// Answers calls: its stages in order, the last one is the controller.
struct Pipeline {
  std::string name;
  std::vector<Stage> stages;  // At least one; none fails open or observes.
  int line = 0;
};

// What publishers' events of one source go through before they get to the bus.
struct Ingress {
  std::string name;
  std::string service;              // As of a route.
  std::vector<std::string> events;  // As of a route.
  std::vector<Stage> stages;        // At least one; none observes.
  int line = 0;
};

struct Config {
  std::string path;       // Of the file, absolute; empty: none.
  std::string directory;  // Its folder; programs run there.
  Host host;
  Bus bus;
  std::vector<Plugin> plugins;
  std::vector<Route> routes;
  std::vector<Pipeline> pipelines;
  std::vector<Ingress> ingress;  // The first whose source fits an event has it.
};

}  // namespace outboard::config
