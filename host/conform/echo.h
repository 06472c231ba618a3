#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace outboard::conform {

// The least that a plugin can do: a worker in this process that answers every frame at once with
// the ids in it. What it manages is what the machine can do now. Ends when destroyed.
class Echo {
 public:
  static absl::StatusOr<std::unique_ptr<Echo>> Start();
  ~Echo();
  const std::string& address() const;

 private:
  struct Impl;
  explicit Echo(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::conform
