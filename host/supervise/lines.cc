#include "host/supervise/lines.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "host/base/text.h"

namespace outboard::supervise {

void LineSplitter::Append(absl::string_view bytes) {
  const size_t room = max_line_ - partial_.text.size();
  const size_t kept = std::min(room, bytes.size());
  partial_.text.append(bytes.data(), kept);
  partial_.cut_bytes += bytes.size() - kept;
  started_ = started_ || !bytes.empty();
}

OutputLine LineSplitter::Take() {
  if (partial_.cut_bytes == 0 && !partial_.text.empty() && partial_.text.back() == '\r') {
    partial_.text.pop_back();
  }
  started_ = false;
  return std::exchange(partial_, OutputLine());
}

void LineSplitter::Feed(absl::string_view bytes, const std::function<void(OutputLine)>& line) {
  for (size_t end; (end = bytes.find('\n')) != absl::string_view::npos;) {
    Append(bytes.substr(0, end));
    bytes.remove_prefix(end + 1);
    line(Take());
  }
  Append(bytes);
}

void LineSplitter::Finish(const std::function<void(OutputLine)>& line) {
  if (started_) line(Take());
}

void LineTail::Add(absl::string_view line) {
  lines_.emplace_back(line.substr(0, max_bytes_ / 2));
  bytes_ += lines_.back().size() + 1;
  while (lines_.size() > max_lines_ || bytes_ > max_bytes_) {
    bytes_ -= lines_.front().size() + 1;
    lines_.pop_front();
  }
}

std::string LineTail::Text() const {
  // From the last line backwards: escaping may make four bytes of one.
  std::vector<std::string> lines;
  size_t bytes = 0;
  for (auto line = lines_.rbegin(); line != lines_.rend(); ++line) {
    lines.push_back(Truncate(EscapeForPeople(*line), max_bytes_));
    bytes += lines.back().size() + 1;
    if (bytes > max_bytes_ && lines.size() > 1) {
      lines.pop_back();
      break;
    }
  }
  return absl::StrJoin(lines.rbegin(), lines.rend(), "\n");
}

}  // namespace outboard::supervise
