#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace outboard::supervise {

// The path of outboard-launcher: `given`, or where that is empty beside this program's file or in
// ../libexec/outboard. NOT_FOUND says where it was looked for.
absl::StatusOr<std::string> FindLauncher(const std::string& given);

}  // namespace outboard::supervise
