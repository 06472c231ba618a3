#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace outboard::bus {

// A file that one process at a time has locked (flock); it names the holder's pid.
class LockFile {
 public:
  // FAILED_PRECONDITION: another process has it; says which.
  static absl::StatusOr<LockFile> Take(const std::string& path);
  LockFile(LockFile&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  explicit LockFile(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace outboard::bus
