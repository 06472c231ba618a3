#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "host/base/mutex.h"
#include "host/bus/rabbitmq/connection.h"

namespace outboard::bus::rabbitmq {

// A connection for what blocks: declaring, counting, looking at dead letters. One call at a time;
// any thread but a shard's.
class Control {
 public:
  // On an open channel.
  using Call = std::function<absl::Status(amqp::Connection&, amqp::Channel)>;

  explicit Control(amqp::ConnectionOptions options);

  // Runs `call` on a channel that is closed after, so that what it holds goes back. The status is
  // the call's own, or UNAVAILABLE.
  absl::Status Run(const Call& call) OUTBOARD_EXCLUDES(mu_);
  // Empty until the first connection.
  std::string broker_version() OUTBOARD_EXCLUDES(mu_);

 private:
  absl::Status OpenChannel() OUTBOARD_REQUIRES(mu_);

  const amqp::ConnectionOptions options_;
  Mutex mu_;
  std::unique_ptr<amqp::Connection> connection_ OUTBOARD_GUARDED_BY(mu_);
  std::string version_ OUTBOARD_GUARDED_BY(mu_);
  size_t endpoint_ OUTBOARD_GUARDED_BY(mu_) = 0;
};

}  // namespace outboard::bus::rabbitmq
