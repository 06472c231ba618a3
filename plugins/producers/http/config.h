#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "outboard/plugin.h"
#include "plugins/common/config_reader.h"

namespace outboard::http {

struct Config {
  std::string url;
  bool structured = false;                     // The mode of the CloudEvents HTTP binding.
  std::map<std::string, std::string> headers;  // More ones.
  std::vector<std::string> keys;               // That sign; empty: not signed.
  std::chrono::milliseconds timeout{0};        // Of one request.
  common::TlsFiles tls;
};

// JSON Schema (draft 4) of the config.
extern const char kConfigSchema[];

// Reads the config, all faults at once. `config` is complete only where there is none.
std::vector<ConfigError> ReadConfig(std::string_view json, Config* config);

}  // namespace outboard::http
