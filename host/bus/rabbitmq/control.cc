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
  const bool was_idle = connection_ != nullptr;
  absl::Status status = RunOnce(call);
  if (absl::IsUnavailable(status) && was_idle) status = RunOnce(call);
  return status;
}

absl::Status Control::RunOnce(const Call& call) {
  if (connection_ == nullptr) {
    OUTBOARD_ASSIGN_OR_RETURN(connection_, amqp::Connection::Connect(options_, endpoint_++));
    version_ = connection_->broker_version();
  }
  absl::Status status = connection_->OpenChannel(kChannel);
  if (status.ok()) {
    status = call(*connection_, kChannel);
    // A call that was refused has closed it already.
    const absl::Status closed = status.ok() ? connection_->CloseChannel(kChannel) : status;
    if (!status.ok() && !absl::IsUnavailable(status)) {
      // Whatever state the channel is in, the next call gets a fresh connection.
      connection_.reset();
      return status;
    }
    if (status.ok()) status = closed;
  }
  if (!status.ok()) connection_.reset();
  return status;
}

std::string Control::broker_version() {
  MutexLock lock(mu_);
  return version_;
}

}  // namespace outboard::bus::rabbitmq
