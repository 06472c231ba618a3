#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "outboard/call.h"
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
  // Name of the route, or of the entry of `ingress`, that the event came by; empty for a call.
  std::string_view route() const;
  // Set where the worker is in_order and the lane is ordered.
  std::string_view order_key() const;
  // The config in force for this session, a JSON object.
  std::string_view config_json() const;
  // Name of the host.
  std::string_view host() const;
  // Time for this delivery; absent: no limit. Of a call no more than the caller's deadline left.
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
using Handler = std::function<Verdict(const Event& event, Context& context)>;

// The same for a call of a pipeline, in a stage.
using CallHandler = std::function<Verdict(const Call& call, Context& context)>;

// One event of a batch, and what the handler says of it.
struct BatchItem {
  Event event;
  Context context;
  std::optional<Verdict> verdict;
};
// Handles what waits, up to ComponentOptions::max_batch events, in the order of arrival: for
// targets where many at once cost little more than one. Sets each item's verdict; one that has none
// when it returns is answered as RETRY with reason NO_VERDICT, or EXCEPTION where it threw. Called
// as a Handler is.
//
// A component that is in_order gets runs of a key in one batch. Once an event of a key did not go
// well, the handler puts no later one of that key anywhere; the SDK releases those that are left.
using BatchHandler = std::function<void(std::span<BatchItem> batch)>;

enum class Role { kWorker, kStage, kProducer };

struct ComponentOptions {
  // Event types it takes, with * (one word) and # (any number) as in topics; empty: all.
  std::vector<std::string> event_types = {};
  // Stage with a CallHandler: operations of pipelines that it hooks; empty: all.
  std::vector<std::string> operations = {};
  // Worker: event types that it may emit, with * and #; empty: none.
  std::vector<std::string> emits = {};
  // Threads that call the handler, so how many events it works on at once, taken up in the order of
  // arrival.
  uint32_t concurrency = 1;
  // The handler never blocks: it runs on the thread that reads, which spares each event two changes
  // of thread. One that blocks holds up everything that the plugin is asked, signs of life too. Not
  // for batch handlers; `concurrency` stays 1.
  bool inline_handler = false;
  // Batch handlers: most events of one call. Each thread has so many in hand at once.
  uint32_t max_batch = 256;
  // Most unanswered deliveries from one host; 0: no limit of its own.
  uint32_t max_in_flight = 0;
  // The same in bytes; 0: no limit of its own.
  uint32_t max_in_flight_bytes = 0;
  // Worker and producer: events of one order key are handled one at a time in the order of arrival;
  // after one that did not succeed the rest of that key in hand is released. Different keys still
  // run side by side.
  bool in_order = false;
  // Given the config, says why the component is not to be used with it; empty: it is. May be
  // absent.
  std::function<std::string(std::string_view config_json)> disabled = nullptr;
};
using WorkerOptions = ComponentOptions;
using StageOptions = ComponentOptions;
using ProducerOptions = ComponentOptions;

// One fault in the config.
struct ConfigError {
  std::string path;     // JSON Pointer to the fault; empty: the whole config.
  std::string message;  // What is wrong and how to fix it.
};

// A program's components and what it wants to know of its config. Fill it, then Serve() it; not
// changed afterwards.
class Plugin {
 public:
  struct ComponentSpec {
    Role role = Role::kWorker;
    std::string name;
    Handler handler;
    ComponentOptions options;
    BatchHandler batch_handler = nullptr;  // In the place of handler.
    CallHandler call_handler = nullptr;    // Stage: beside or in the place of handler.
  };
  using ConfigCheck = std::function<std::vector<ConfigError>(std::string_view config_json)>;
  using ConfigHook = std::function<std::string(std::string_view config_json)>;

  Plugin(std::string name, std::string version);

  // Add a component. Its name is unique within the plugin and its role.
  Plugin& Worker(std::string name, Handler handler, WorkerOptions options = {});
  Plugin& Stage(std::string name, Handler handler, StageOptions options = {});
  // A stage of pipelines; and one of both.
  Plugin& Stage(std::string name, CallHandler handler, StageOptions options = {});
  Plugin& Stage(std::string name, Handler handler, CallHandler call_handler,
                StageOptions options = {});
  Plugin& Producer(std::string name, Handler handler, ProducerOptions options = {});
  Plugin& BatchProducer(std::string name, BatchHandler handler, ProducerOptions options = {});
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
  const std::vector<ComponentSpec>& components() const { return components_; }
  const std::string& config_schema() const { return config_schema_; }
  const ConfigCheck& config_check() const { return config_check_; }
  const ConfigHook& config_hook() const { return config_hook_; }
  uint32_t max_message_bytes() const { return max_message_bytes_; }
  // What makes the plugin impossible to serve (no component, a name twice, no handler); empty:
  // nothing.
  std::string Fault() const;

 private:
  std::string name_, version_, config_schema_;
  std::vector<ComponentSpec> components_;
  ConfigCheck config_check_;
  ConfigHook config_hook_;
  uint32_t max_message_bytes_ = 0;
};

}  // namespace outboard
