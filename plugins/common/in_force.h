#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "outboard/plugin.h"

namespace outboard::common {

// What a plugin works on, opened by the config in force: a Target has a constructor from its Config
// and `std::string Open()`, which says what went wrong, or nothing. Another config opens another
// one; the one before is closed by the last handler that uses it. Any thread.
template <typename Config, typename Target>
class InForce {
 public:
  using Reader = std::vector<ConfigError> (*)(std::string_view json, Config* config);

  // Gives the plugin its schema, its check, and the hook that opens the target. Lives as long as
  // the plugin is served.
  void Attach(Plugin* plugin, const char* schema, Reader read) {
    plugin->ConfigSchema(schema);
    plugin->CheckConfig([read](std::string_view json) {
      Config config;
      return read(json, &config);
    });
    plugin->OnConfig([this, read](std::string_view json) { return Apply(json, read); });
  }

  std::shared_ptr<Target> get() const {
    std::lock_guard lock(mutex_);
    return target_;
  }

 private:
  std::string Apply(std::string_view json, Reader read) {
    Config config;
    const std::vector<ConfigError> errors = read(json, &config);
    if (!errors.empty()) return "config" + errors.front().path + " " + errors.front().message;
    auto target = std::make_shared<Target>(std::move(config));
    if (std::string fault = target->Open(); !fault.empty()) return fault;
    std::lock_guard lock(mutex_);
    target_.swap(target);
    return "";
  }

  mutable std::mutex mutex_;
  std::shared_ptr<Target> target_;  // Shared with the handlers that run.
};

}  // namespace outboard::common
