#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/conform/audit.h"
#include "host/conform/session.h"

namespace outboard::conform {

// Largest frame that this host says it takes; it reads larger ones to tell of them.
inline constexpr uint32_t kMaxFrameBytes = 16 << 20;

// One connection to a plugin, as one host has it. One thread.
class Connection {
 public:
  // `address`: unix:/path, dns:///name:port or host:port. Connects when first used.
  explicit Connection(const std::string& address);
  ~Connection();

  // Until the plugin listens. DEADLINE_EXCEEDED: it does not.
  absl::Status WaitConnected(Duration patience);
  absl::StatusOr<v1::DescribeResponse> Describe(const std::string& config_json, Duration patience);
  // Of grpc.health.v1; OK where the plugin does not serve that.
  absl::Status CheckHealth(Duration patience);
  std::unique_ptr<Session> OpenStream(Audit::Settings settings);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::conform
