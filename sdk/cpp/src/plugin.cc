#include "outboard/plugin.h"

#include <set>
#include <utility>

#include "src/component.h"
#include "src/delivery_owner.h"
#include "src/frame.h"

namespace outboard {

uint32_t Context::attempt() const { return delivery_->attempt; }
uint64_t Context::delivery_id() const { return delivery_->id; }
std::string_view Context::route() const { return delivery_->route; }
std::string_view Context::order_key() const { return delivery_->order_key; }
std::string_view Context::config_json() const { return owner_->info().config_json; }
std::string_view Context::host() const { return owner_->info().host; }
std::optional<std::chrono::nanoseconds> Context::time_limit() const {
  return delivery_->time_left ? delivery_->time_left : owner_->info().time_limit;
}
bool Context::cancelled() const { return owner_->Cancelled(delivery_->id); }
void Context::Progress() { owner_->Progress(delivery_->id); }

Plugin::Plugin(std::string name, std::string version)
    : name_(std::move(name)), version_(std::move(version)) {}

Plugin& Plugin::Worker(std::string name, Handler handler, WorkerOptions options) {
  components_.push_back({Role::kWorker, std::move(name), std::move(handler), std::move(options)});
  return *this;
}

Plugin& Plugin::Stage(std::string name, Handler handler, StageOptions options) {
  components_.push_back({Role::kStage, std::move(name), std::move(handler), std::move(options)});
  return *this;
}

Plugin& Plugin::Stage(std::string name, CallHandler handler, StageOptions options) {
  return Stage(std::move(name), Handler(), std::move(handler), std::move(options));
}

Plugin& Plugin::Stage(std::string name, Handler handler, CallHandler call_handler,
                      StageOptions options) {
  components_.push_back({Role::kStage, std::move(name), std::move(handler), std::move(options),
                         nullptr, std::move(call_handler)});
  return *this;
}

Plugin& Plugin::Producer(std::string name, Handler handler, ProducerOptions options) {
  components_.push_back({Role::kProducer, std::move(name), std::move(handler), std::move(options)});
  return *this;
}

Plugin& Plugin::BatchProducer(std::string name, BatchHandler handler, ProducerOptions options) {
  components_.push_back(
      {Role::kProducer, std::move(name), nullptr, std::move(options), std::move(handler)});
  return *this;
}

Plugin& Plugin::ConfigSchema(std::string json_schema) {
  config_schema_ = std::move(json_schema);
  return *this;
}

Plugin& Plugin::CheckConfig(ConfigCheck check) {
  config_check_ = std::move(check);
  return *this;
}

Plugin& Plugin::OnConfig(ConfigHook hook) {
  config_hook_ = std::move(hook);
  return *this;
}

Plugin& Plugin::MaxMessageBytes(uint32_t bytes) {
  max_message_bytes_ = bytes;
  return *this;
}

std::string Plugin::Fault() const {
  if (components_.empty()) {
    return "plugin '" + name_ + "' has no component: add one with Worker(), Stage() or Producer()";
  }
  std::set<std::pair<Role, std::string>> names;
  for (const ComponentSpec& spec : components_) {
    const std::string role = internal::RoleName(spec.role);
    const std::string who = role + " '" + spec.name + "' of plugin '" + name_ + "' ";
    if (spec.name.empty()) return "a " + role + " of plugin '" + name_ + "' has no name";
    if (!names.emplace(spec.role, spec.name).second)
      return who + "is there twice: names are unique";
    if (!spec.handler && !spec.batch_handler && !spec.call_handler) return who + "has no handler";
    if (!spec.call_handler && !spec.options.operations.empty())
      return who + "has operations, and no handler of calls: give Stage() a CallHandler";
    if (spec.options.concurrency == 0 || spec.options.concurrency > 4096) {
      return who + "has concurrency " + std::to_string(spec.options.concurrency) +
             ": it is a number of threads, 1 to 4096";
    }
    if (spec.options.inline_handler && (spec.batch_handler || spec.options.concurrency != 1)) {
      return who +
             "has an inline handler: that is none of batches, and has no concurrency of its "
             "own (1)";
    }
    if (spec.batch_handler && (spec.options.max_batch == 0 || spec.options.max_batch > 65536)) {
      return who + "has max_batch " + std::to_string(spec.options.max_batch) +
             ": it is a number of events, 1 to 65536";
    }
    if (spec.role != Role::kWorker && !spec.options.emits.empty())
      return who + "has emits: only workers emit";
    if (spec.role == Role::kStage && spec.options.in_order)
      return who + "is in_order: only workers and producers can be";
  }
  return "";
}

}  // namespace outboard
