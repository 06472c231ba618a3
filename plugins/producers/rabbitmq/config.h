#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "outboard/plugin.h"
#include "plugins/common/config_reader.h"
#include "plugins/producers/rabbitmq/message.h"
#include "plugins/producers/rabbitmq/url.h"

namespace outboard::rabbitmq {

enum class Unroutable { kRetry, kReject, kAccept };

struct Config {
  std::vector<Address> brokers;  // Tried in turn.
  std::string exchange;          // Empty: the default one, whose keys are names of queues.
  std::string declare;           // Type of exchange to make; empty: it is there.
  std::string routing_key;       // A pattern.
  Mode mode = Mode::kBinary;
  Unroutable unroutable = Unroutable::kRetry;
  std::chrono::milliseconds timeout{0};  // To connect, and for the broker's confirm.
  common::TlsFiles tls;
};

// JSON Schema (draft 4) of the config.
extern const char kConfigSchema[];

// Reads the config, all faults at once. `config` is complete only where there is none.
std::vector<ConfigError> ReadConfig(std::string_view json, Config* config);

}  // namespace outboard::rabbitmq
