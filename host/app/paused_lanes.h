#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"

namespace outboard::app {

// What people said of lanes, in a file of the data folder: it holds over a restart of the host.
struct PausedLanes {
  std::set<std::string> paused;
  // Those that went on past their dead letters (`on_dead_letter: stop`), up to which id.
  std::map<std::string, uint64_t> passed;
};

// Empty where there is no such file.
PausedLanes ReadPausedLanes(const std::string& data_folder);
// On disk when it returns. UNAVAILABLE: what the system said.
absl::Status WritePausedLanes(const std::string& data_folder, const PausedLanes& lanes);

}  // namespace outboard::app
