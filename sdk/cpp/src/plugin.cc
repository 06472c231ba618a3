#include "outboard/plugin.h"

#include <set>

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
  return owner_->info().time_limit;
}
bool Context::cancelled() const { return owner_->Cancelled(delivery_->id); }
void Context::Progress() { owner_->Progress(delivery_->id); }

Plugin::Plugin(std::string name, std::string version)
    : name_(std::move(name)), version_(std::move(version)) {}

Plugin& Plugin::Worker(std::string name, WorkerHandler handler, WorkerOptions options) {
  workers_.push_back({std::move(name), std::move(handler), std::move(options)});
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
  if (workers_.empty()) return "plugin '" + name_ + "' has no component: add one with Worker()";
  std::set<std::string> names;
  for (const WorkerSpec& worker : workers_) {
    const std::string who = "worker '" + worker.name + "' of plugin '" + name_ + "' ";
    if (worker.name.empty()) return "a worker of plugin '" + name_ + "' has no name";
    if (!names.insert(worker.name).second) return who + "is there twice: names are unique";
    if (!worker.handler) return who + "has no handler";
    if (worker.options.concurrency == 0 || worker.options.concurrency > 4096) {
      return who + "has concurrency " + std::to_string(worker.options.concurrency) +
             ": it is a number of threads, 1 to 4096";
    }
  }
  return "";
}

}  // namespace outboard
