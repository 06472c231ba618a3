#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "outboard/plugin.h"
#include "plugins/producers/kafka/message.h"

namespace outboard::kafka {

struct Config {
  std::vector<std::string> servers;
  std::string topic;
  Mode mode = Mode::kBinary;
  std::string key;                                // The attribute that is the message's key.
  std::map<std::string, std::string> properties;  // Of librdkafka.
};

// JSON Schema (draft 4) of the config.
extern const char kConfigSchema[];

// Reads the config, all faults at once. `config` is complete only where there is none.
std::vector<ConfigError> ReadConfig(std::string_view json, Config* config);

}  // namespace outboard::kafka
