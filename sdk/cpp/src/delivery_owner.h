#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace outboard::internal {

// What is the same for every delivery of a session.
struct SessionInfo {
  std::string host;
  std::string component;
  std::string config_json;
  std::optional<std::chrono::nanoseconds> time_limit;
};

// Where a delivery came from, as its Context sees it: a session, or a test. Any thread.
class DeliveryOwner {
 public:
  virtual ~DeliveryOwner() = default;
  virtual const SessionInfo& info() const = 0;
  virtual bool Cancelled(uint64_t delivery_id) = 0;
  virtual void Progress(uint64_t delivery_id) = 0;
};

}  // namespace outboard::internal
