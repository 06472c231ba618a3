#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "outboard/plugin.h"

namespace outboard::audit {

struct Config {
  std::string path;         // The file to append to.
  bool fsync_each = false;  // Whether an event is done only when the disk has it.
};

// JSON Schema (draft 4) of the config.
extern const char kConfigSchema[];

// Reads the config, all faults at once. `config` is complete only where there is none.
std::vector<ConfigError> ReadConfig(std::string_view json, Config* config);

}  // namespace outboard::audit
