#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "host/base/mutex.h"
#include "host/bus/amqp/connection.h"
#include "host/bus/rabbitmq/steady.h"

namespace outboard::bus::rabbitmq {

// The broker cannot be used now, and may say otherwise later though nobody changes what is
// configured.
bool MayPass(const absl::Status& status);

// A connection for what blocks: declaring, counting, looking at dead letters. One call at a time;
// any thread but a shard's.
class Control {
 public:
  // On an open channel.
  using Call = std::function<absl::Status(amqp::Connection&, amqp::Channel)>;

  explicit Control(amqp::ConnectionOptions options);

  // Runs `call` on a channel that is closed after, so that what it holds goes back. The status is
  // the call's own, or UNAVAILABLE. Who waited while another call found that the broker cannot be
  // reached is told the same at once.
  absl::Status Run(const Call& call) OUTBOARD_EXCLUDES(mu_);
  // Empty until the first connection. Does not wait for a call under way.
  std::string broker_version() OUTBOARD_EXCLUDES(version_mu_);

 private:
  absl::Status OpenChannel() OUTBOARD_REQUIRES(mu_);
  absl::Status OpenChannelOrReconnect() OUTBOARD_REQUIRES(mu_);

  const amqp::ConnectionOptions options_;
  Mutex mu_;
  std::unique_ptr<amqp::Connection> connection_ OUTBOARD_GUARDED_BY(mu_);
  size_t endpoint_ OUTBOARD_GUARDED_BY(mu_) = 0;
  Steady failed_at_ OUTBOARD_GUARDED_BY(mu_);
  std::string failure_ OUTBOARD_GUARDED_BY(mu_);  // Then.
  Mutex version_mu_;
  std::string version_ OUTBOARD_GUARDED_BY(version_mu_);
};

}  // namespace outboard::bus::rabbitmq
