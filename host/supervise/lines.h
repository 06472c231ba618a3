#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace outboard::supervise {

// One line of output, without its line end.
struct OutputLine {
  std::string text;
  uint64_t cut_bytes = 0;  // what came after `text` on the same line and was left out
};

// Makes lines out of what a process writes, in whatever pieces it arrives. Memory is bounded by one
// line.
class LineSplitter {
 public:
  explicit LineSplitter(size_t max_line = 16 * 1024) : max_line_(max_line) {}

  // Calls `line` for each line that `bytes` completes. Ends are \n and \r\n; empty lines count.
  void Feed(absl::string_view bytes, const std::function<void(OutputLine)>& line);
  // The writer closed: what has no line end yet is a line, too.
  void Finish(const std::function<void(OutputLine)>& line);

 private:
  void Append(absl::string_view bytes);
  OutputLine Take();

  const size_t max_line_;
  OutputLine partial_;
  bool started_ = false;
};

// The last lines of a stream, for reports: so many lines, so many bytes.
class LineTail {
 public:
  LineTail(size_t max_lines, size_t max_bytes) : max_lines_(max_lines), max_bytes_(max_bytes) {}

  // A long line is cut to half of the bytes.
  void Add(absl::string_view line);
  // Escaped for people and joined by \n, without one at the end.
  std::string Text() const;

 private:
  size_t max_lines_;
  size_t max_bytes_;
  size_t bytes_ = 0;
  std::deque<std::string> lines_;
};

}  // namespace outboard::supervise
