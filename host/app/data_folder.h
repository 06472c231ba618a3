#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "host/supervise/fd.h"

namespace outboard::app {

// A host's data folder, which no other host uses as long as this lives.
class DataFolder {
 public:
  // Makes it where there is none. FAILED_PRECONDITION: another host uses it. On a file system
  // without locks nobody is kept out.
  static absl::StatusOr<DataFolder> Take(const std::string& path);

 private:
  supervise::Fd lock_;
};

}  // namespace outboard::app
