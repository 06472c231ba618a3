#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outboard::faulty {

// What to do wrong: "slow:500ms" is {"slow", "500ms"}; "done" is to do nothing wrong.
struct Fault {
  std::string name = "done";
  std::string argument;
};

// Everything that the command line says; Usage() explains each flag.
struct Options {
  std::string name = "faulty";
  std::string version = "1.0";
  std::vector<std::string> components;
  std::vector<std::string> event_types;
  std::vector<std::string> emits;
  uint32_t concurrency = 1;
  uint32_t max_in_flight = 0;
  uint32_t max_message_bytes = 0;
  bool in_order = false;
  uint32_t batch = 256;

  Fault mode;
  uint64_t every = 1;
  uint64_t after = 0;
  uint64_t times = 0;
  std::string once;

  Fault at_start;
  Fault at_describe;
  Fault at_open;
  Fault at_close;
  bool ignore_everything = false;
  std::string config_error;

  std::string ledger;
  bool ledger_sync = true;
  bool ledger_all = false;
  bool ledger_time = false;
  std::string taken;
  std::string listen;
};

// Splits "name:argument". The name is not checked here.
Fault ParseFault(std::string_view text);

// "250us", "500ms", "2s", "1m". Nothing where the text is no duration.
std::optional<std::chrono::microseconds> ParseDuration(std::string_view text);

// "100", "64k", "10m", "1g" in bytes. Nothing where the text is no size.
std::optional<uint64_t> ParseSize(std::string_view text);

// Whether IsKnownFault(name): what --mode, --at-... and the event's attribute may say.
bool IsKnownFault(std::string_view name);

// Reads the command line. Prints help and exits 0 on --help, prints the fault and exits 2 where it
// is wrong.
Options ParseOptionsOrExit(int argc, char** argv);

}  // namespace outboard::faulty
