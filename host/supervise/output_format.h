#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/base/log.h"

namespace outboard::supervise {

// A line of a plugin's output as the host's log shows it.
struct OutputRecord {
  LogLevel level = LogLevel::kInfo;
  std::string message;
  std::vector<std::pair<std::string, std::string>> fields;
};

// A line that is a JSON object with texts `level` and `message` keeps its level and its other
// members as fields: texts as they are, all else as JSON. Members whose names the host's own lines
// use (time, plugin, …) get `plugin_` before them; beyond 32 they are counted, not kept. Any other
// line is the message. Pure.
OutputRecord FormatOutput(absl::string_view line);

}  // namespace outboard::supervise
