#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "outboard/plugin.h"

namespace outboard::sqlite {

struct Config {
  std::string path;                        // The database's file.
  bool cloudevents = false;                // Rows have the whole event, not its data alone.
  std::chrono::milliseconds retention{0};  // Older rows are deleted; 0: none.
};

// JSON Schema (draft 4) of the config.
extern const char kConfigSchema[];

// Reads the config, all faults at once. `config` is complete only where there is none.
std::vector<ConfigError> ReadConfig(std::string_view json, Config* config);

}  // namespace outboard::sqlite
