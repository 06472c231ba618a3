#include "src/runtime.h"

#include <unistd.h>

#include <chrono>
#include <exception>
#include <random>

#include "src/wire.h"

namespace outboard::internal {
namespace {

std::string NewInstanceId() {
  std::random_device random;
  char text[40];
  std::snprintf(text, sizeof text, "%d-%08x%08x", static_cast<int>(getpid()), random(), random());
  return text;
}

plugin::v1::Role RoleNumber(Role role) {
  switch (role) {
    case Role::kWorker: return plugin::v1::ROLE_WORKER;
    case Role::kStage: return plugin::v1::ROLE_STAGE;
    case Role::kProducer: break;
  }
  return plugin::v1::ROLE_PRODUCER;
}

}  // namespace

Runtime::Runtime(const Plugin& plugin) : plugin_(plugin), instance_id_(NewInstanceId()) {
  for (const Plugin::ComponentSpec& spec : plugin.components()) {
    components_.push_back(std::make_unique<Component>(spec));
  }
}

Runtime::~Runtime() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  if (task_thread_.joinable()) task_thread_.join();
}

Component* Runtime::Find(Role role, std::string_view name) const {
  for (const auto& component : components_) {
    if (component->role() == role && component->name() == name) return component.get();
  }
  return nullptr;
}

std::string Runtime::NamesOf(Role role) const {
  std::string names;
  for (const auto& component : components_) {
    if (component->role() != role) continue;
    names += names.empty() ? std::string("the ") + RoleName(role) + "s are " : ", ";
    names += component->name();
  }
  return names.empty() ? std::string("there is no ") + RoleName(role) : names;
}

void Runtime::Describe(const plugin::v1::DescribeRequest& request,
                       plugin::v1::DescribeResponse* response, std::function<void()> done) {
  if (request.max_message_bytes() > 0) max_response_bytes_ = request.max_message_bytes();
  response->set_name(plugin_.name());
  response->set_version(plugin_.version());
  response->set_sdk(std::string("cpp ") + OUTBOARD_VERSION);
  response->set_instance_id(instance_id_);
  response->set_config_schema_json(plugin_.config_schema());
  response->set_max_message_bytes(plugin_.max_message_bytes());
  auto rest = [this, response, config = request.config_json(), done = std::move(done)] {
    for (const Plugin::ComponentSpec& spec : plugin_.components()) {
      FillComponent(spec, config, response->add_components());
    }
    if (!config.empty()) Check(config, response);
    done();
  };
  bool calls_author = static_cast<bool>(plugin_.config_check());
  for (const auto& spec : plugin_.components())
    calls_author |= static_cast<bool>(spec.options.disabled);
  if (calls_author) {
    Post(std::move(rest));
  } else {
    rest();
  }
}

void Runtime::FillComponent(const Plugin::ComponentSpec& spec, const std::string& config_json,
                            plugin::v1::Component* component) const {
  const ComponentOptions& options = spec.options;
  component->set_name(spec.name);
  component->set_role(RoleNumber(spec.role));
  for (const std::string& type : options.event_types) component->add_event_types(type);
  if (spec.call_handler && options.operations.empty()) component->add_operations("*");
  for (const std::string& operation : options.operations) component->add_operations(operation);
  for (const std::string& type : options.emits) component->add_emits(type);
  // All events of a batch are worked on at once.
  component->set_concurrency(options.concurrency * (spec.batch_handler ? options.max_batch : 1));
  component->set_max_in_flight(options.max_in_flight);
  component->set_max_in_flight_bytes(options.max_in_flight_bytes);
  component->set_in_order(options.in_order);
  if (!options.disabled || config_json.empty()) return;
  std::string reason;
  try {
    reason = options.disabled(config_json);
  } catch (const std::exception& exception) {
    reason = std::string("its check of the config threw: ") + exception.what();
  }
  component->set_disabled(!reason.empty());
  component->set_disabled_reason(Utf8(reason));
}

void Runtime::Check(const std::string& config_json, plugin::v1::DescribeResponse* response) const {
  if (!plugin_.config_check()) return;
  std::vector<ConfigError> errors;
  try {
    errors = plugin_.config_check()(config_json);
  } catch (const std::exception& exception) {
    errors.push_back(
        {"", std::string("the plugin's check of the config threw: ") + exception.what()});
  }
  for (const ConfigError& error : errors) {
    plugin::v1::ConfigError* out = response->add_config_errors();
    out->set_path(Utf8(error.path));
    out->set_message(Utf8(error.message));
  }
}

void Runtime::Configure(const std::string& config_json,
                        std::function<void(const std::string& fault)> done) {
  if (!plugin_.config_hook()) return done("");
  Post([this, config_json, done = std::move(done)] { done(Apply(config_json)); });
}

std::string Runtime::Apply(const std::string& config_json) {
  if (applied_ && applied_config_ == config_json) return "";
  std::string fault;
  try {
    fault = plugin_.config_hook()(config_json);
  } catch (const std::exception& exception) {
    fault = std::string("the plugin could not take its config: ") + exception.what();
  }
  applied_ = fault.empty();
  applied_config_ = config_json;
  return fault;
}

void Runtime::Post(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    if (!task_thread_.joinable()) task_thread_ = std::thread([this] { RunTasks(); });
  }
  changed_.notify_all();
}

void Runtime::RunTasks() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopped_ || !tasks_.empty(); });
    if (tasks_.empty()) return;  // What was asked is answered first: a call may wait for it.
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace outboard::internal
