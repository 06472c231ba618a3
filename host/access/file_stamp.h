#pragma once

#include <cstdint>
#include <string>

#include "host/base/clock.h"

namespace outboard::access {

// How often it is looked whether a file changed, at most.
inline constexpr Duration kLookEvery = std::chrono::seconds(1);

// What tells one state of a file from the next, links followed.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;  // 0: there is no file.
  int64_t size = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;

  static FileStamp Of(const std::string& path);
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

}  // namespace outboard::access
