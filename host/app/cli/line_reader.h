#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace outboard::app {

// The lines of a descriptor, counted. Does not own the descriptor.
class LineReader {
 public:
  explicit LineReader(int fd) : fd_(fd) {}

  // The next line without its end; false at the end of the input, on an error (status()) or when a
  // signal came.
  bool Next(std::string* line);

  // True if Next would not have to wait for the input.
  bool HasLine() const;

  // Number of the line that Next gave last, from 1.
  uint64_t number() const { return number_; }
  const absl::Status& status() const { return status_; }

 private:
  bool Fill();

  const int fd_;
  std::string buffer_;
  size_t begin_ = 0;
  bool ended_ = false;
  uint64_t number_ = 0;
  absl::Status status_;
};

}  // namespace outboard::app
