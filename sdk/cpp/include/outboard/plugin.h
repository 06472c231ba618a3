#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "outboard/event.h"
#include "outboard/verdict.h"

namespace outboard {

namespace internal {
struct Delivery;
class DeliveryOwner;
}  // namespace internal

// What a handler may know of its delivery, and say before its verdict. Valid until the handler
// returns; any thread.
class Context {
 public:
  Context(internal::DeliveryOwner* owner, const internal::Delivery* delivery)
      : owner_(owner), delivery_(delivery) {}

  // 1 at first; grows with each counted attempt.
  uint32_t attempt() const;
  // Counts 1, 2, 3 ... within a session.
  uint64_t delivery_id() const;
  // Name of the route that the event came by.
  std::string_view route() const;
  // Set where the worker is in_order and the lane is ordered.
  std::string_view order_key() const;
  // The config in force for this session, a JSON object.
  std::string_view config_json() const;
  // Name of the host.
  std::string_view host() const;
  // Time for one delivery; absent: no limit.
  std::optional<std::chrono::nanoseconds> time_limit() const;
  // True: the host no longer wants this, or is gone. Stop if easy; the verdict is still due.
  bool cancelled() const;
  // Starts the time limit anew, for work that takes long. Cheap: call it as often as you like.
  void Progress();

 private:
  internal::DeliveryOwner* owner_;
  const internal::Delivery* delivery_;
};

// Handles one event. Called on one of the component's threads, never on gRPC's: it may block. An
// exception that leaves it is answered as RETRY with reason EXCEPTION.
using WorkerHandler = std::function<Verdict(const Event& event, Context& context)>;

struct WorkerOptions {
  // Event types it takes, with * (one word) and # (any number) as in topics; empty: all.
  std::vector<std::string> event_types;
  // Event types that it may emit, with * and #; empty: none.
  std::vector<std::string> emits;
  // Threads that call the handler, so how many events it works on at once, taken up in the order of
  // arrival.
  uint32_t concurrency = 1;
  // Most unanswered deliveries from one host; 0: no limit of its own.
  uint32_t max_in_flight = 0;
  // The same in bytes; 0: no limit of its own.
  uint32_t max_in_flight_bytes = 0;
  // Events of one order key are handled one at a time in the order of arrival; after one that did
  // not succeed the rest of that key in hand is released. Different keys still run side by side.
  bool in_order = false;
  // Given the config, says why the component is not to be used with it; empty: it is. May be
  // absent.
  std::function<std::string(std::string_view config_json)> disabled;
};

// One fault in the config.
struct ConfigError {
  std::string path;     // JSON Pointer to the fault; empty: the whole config.
  std::string message;  // What is wrong and how to fix it.
};

// A program's components and what it wants to know of its config. Fill it, then Serve() it; not
// changed afterwards.
class Plugin {
 public:
  struct WorkerSpec {
    std::string name;
    WorkerHandler handler;
    WorkerOptions options;
  };
  using ConfigCheck = std::function<std::vector<ConfigError>(std::string_view config_json)>;
  using ConfigHook = std::function<std::string(std::string_view config_json)>;

  Plugin(std::string name, std::string version);

  // Adds a worker. Its name is unique within the plugin.
  Plugin& Worker(std::string name, WorkerHandler handler, WorkerOptions options = {});
  // JSON Schema (draft 4) that the host checks the config against before it starts anything.
  Plugin& ConfigSchema(std::string json_schema);
  // Says what else is wrong with a config. Pure: called at any time, for configs that may never
  // come into force.
  Plugin& CheckConfig(ConfigCheck check);
  // Called with the config in force before the first event under it, on a thread that may block,
  // and again whenever a session brings another one. Returns what went wrong, or nothing: then the
  // session is refused with that text.
  Plugin& OnConfig(ConfigHook hook);
  // Largest frame it takes from the host, in bytes; 0: 4 MiB.
  Plugin& MaxMessageBytes(uint32_t bytes);

  const std::string& name() const { return name_; }
  const std::string& version() const { return version_; }
  const std::vector<WorkerSpec>& workers() const { return workers_; }
  const std::string& config_schema() const { return config_schema_; }
  const ConfigCheck& config_check() const { return config_check_; }
  const ConfigHook& config_hook() const { return config_hook_; }
  uint32_t max_message_bytes() const { return max_message_bytes_; }
  // What makes the plugin impossible to serve (no component, a name twice, no handler); empty:
  // nothing.
  std::string Fault() const;

 private:
  std::string name_, version_, config_schema_;
  std::vector<WorkerSpec> workers_;
  ConfigCheck config_check_;
  ConfigHook config_hook_;
  uint32_t max_message_bytes_ = 0;
};

}  // namespace outboard
