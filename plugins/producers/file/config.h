#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "outboard/plugin.h"
#include "plugins/common/json_lines_file.h"

namespace outboard::file {

struct Config {
  std::string path;         // The file to append to.
  bool fsync_each = false;  // Whether an event is accepted only when the disk has it.
  common::Rotation rotation;
};

// JSON Schema (draft 4) of the config.
extern const char kConfigSchema[];

// Reads the config, all faults at once. `config` is complete only where there is none.
std::vector<ConfigError> ReadConfig(std::string_view json, Config* config);

}  // namespace outboard::file
