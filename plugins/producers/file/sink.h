#pragma once

#include <span>
#include <string>
#include <utility>

#include "outboard/plugin.h"
#include "plugins/common/json_lines_file.h"
#include "plugins/producers/file/config.h"

namespace outboard::file {

// Appends batches to the file, in pieces of about a megabyte. Any thread.
class Sink {
 public:
  explicit Sink(Config config) : config_(std::move(config)) {}

  // Opens the file. Says what went wrong, or nothing.
  std::string Open();
  // Puts the batch in its order. After a failure nothing more of it is in the file.
  void Put(std::span<BatchItem> batch);

 private:
  const Config config_;
  common::JsonLinesFile file_;
};

}  // namespace outboard::file
