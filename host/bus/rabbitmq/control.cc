#include "host/bus/rabbitmq/control.h"

#include <utility>

#include "absl/strings/match.h"
#include "host/base/status.h"

namespace outboard::bus::rabbitmq {
namespace {

constexpr amqp::Channel kChannel = 1;
constexpr auto kAtOnce = std::chrono::seconds(1);

}  // namespace

bool MayPass(const absl::Status& status) {
  // The node of a classic queue is away.
  return absl::IsUnavailable(status) ||
         (absl::IsNotFound(status) && absl::StrContains(status.message(), "is down"));
}

Control::Control(amqp::ConnectionOptions options)
    : options_([&] {
        options.name += " control";
        // It is idle most of the time, when nobody sends heartbeats: the next call finds out.
        options.heartbeat = Duration::zero();
        return std::move(options);
      }()) {}

absl::Status Control::Run(const Call& call) {
  const auto asked_at = SteadyNow();
  MutexLock lock(mu_);
  if (failed_at_ > asked_at) return absl::UnavailableError(failure_);
  const absl::Status opened = OpenChannelOrReconnect();
  if (absl::IsUnavailable(opened)) {
    failed_at_ = SteadyNow();
    failure_ = std::string(opened.message());
  }
  OUTBOARD_RETURN_IF_ERROR(opened);
  absl::Status status = call(*connection_, kChannel);
  if (status.ok()) status = connection_->CloseChannel(kChannel);
  // Whatever state the channel is in, the next call gets a fresh connection.
  if (!status.ok()) connection_.reset();
  return status;
}

// A connection that was idle may be gone, which shows at once: another one is made. What has begun
// is not begun again.
absl::Status Control::OpenChannelOrReconnect() {
  const auto begin = SteadyNow();
  const bool idle = connection_ != nullptr;
  absl::Status opened = OpenChannel();
  const bool at_once = SteadyNow() < begin + kAtOnce;
  return absl::IsUnavailable(opened) && idle && at_once ? OpenChannel() : opened;
}

absl::Status Control::OpenChannel() {
  if (connection_ == nullptr) {
    OUTBOARD_ASSIGN_OR_RETURN(connection_, amqp::Connection::Connect(options_, endpoint_++));
    MutexLock lock(version_mu_);
    version_ = connection_->broker_version();
  }
  absl::Status status = connection_->OpenChannel(kChannel);
  if (!status.ok()) connection_.reset();
  return status;
}

std::string Control::broker_version() {
  MutexLock lock(version_mu_);
  return version_;
}

}  // namespace outboard::bus::rabbitmq
