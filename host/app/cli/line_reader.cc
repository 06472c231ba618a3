#include "host/app/cli/line_reader.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace outboard::app {
namespace {

constexpr size_t kBlock = 256 << 10;
constexpr size_t kMaxLine = size_t{1} << 30;

}  // namespace

bool LineReader::HasLine() const {
  return ended_ || buffer_.find('\n', begin_) != std::string::npos;
}

bool LineReader::Fill() {
  if (begin_ > 0) buffer_.erase(0, std::exchange(begin_, 0));
  if (buffer_.size() > kMaxLine) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat("line ", number_ + 1, " is longer than 1 GiB; this is no NDJSON"));
    return false;
  }
  const size_t size = buffer_.size();
  buffer_.resize(size + kBlock);
  const ssize_t n = read(fd_, buffer_.data() + size, kBlock);
  buffer_.resize(size + static_cast<size_t>(n > 0 ? n : 0));
  if (n < 0 && errno != EINTR) status_ = absl::UnavailableError(std::strerror(errno));
  if (n == 0) ended_ = true;
  return n >= 0;
}

bool LineReader::Next(std::string* line) {
  size_t searched = begin_;
  size_t end;
  while ((end = buffer_.find('\n', searched)) == std::string::npos && !ended_) {
    searched = buffer_.size() - begin_;
    if (!Fill()) return false;
  }
  if (end == std::string::npos) {
    if (begin_ == buffer_.size()) return false;
    end = buffer_.size();
  }
  line->assign(buffer_, begin_, end - begin_);
  if (!line->empty() && line->back() == '\r') line->pop_back();
  begin_ = end < buffer_.size() ? end + 1 : end;
  ++number_;
  return true;
}

}  // namespace outboard::app
