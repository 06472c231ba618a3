#include "host/bus/rabbitmq/control.h"

#include <utility>

#include "host/base/status.h"

namespace outboard::bus::rabbitmq {
namespace {

constexpr amqp::Channel kChannel = 1;

}  // namespace

Control::Control(amqp::ConnectionOptions options)
    : options_([&] {
        options.name += " control";
        // It is idle most of the time, when nobody sends heartbeats: the next call finds out.
        options.heartbeat = Duration::zero();
        return std::move(options);
      }()) {}

absl::Status Control::Run(const Call& call) {
  MutexLock lock(mu_);
  absl::Status opened = OpenChannel();
  // A connection that was idle may be gone. What has begun is not begun again.
  if (absl::IsUnavailable(opened) && connection_ == nullptr) opened = OpenChannel();
  OUTBOARD_RETURN_IF_ERROR(opened);
  absl::Status status = call(*connection_, kChannel);
  if (status.ok()) status = connection_->CloseChannel(kChannel);
  // Whatever state the channel is in, the next call gets a fresh connection.
  if (!status.ok()) connection_.reset();
  return status;
}

absl::Status Control::OpenChannel() {
  if (connection_ == nullptr) {
    OUTBOARD_ASSIGN_OR_RETURN(connection_, amqp::Connection::Connect(options_, endpoint_++));
    version_ = connection_->broker_version();
  }
  absl::Status status = connection_->OpenChannel(kChannel);
  if (!status.ok()) connection_.reset();
  return status;
}

std::string Control::broker_version() {
  MutexLock lock(mu_);
  return version_;
}

}  // namespace outboard::bus::rabbitmq
