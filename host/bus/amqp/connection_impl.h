#pragma once

#include <amqp.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/base/status.h"
#include "host/bus/amqp/connection.h"
#include "host/bus/amqp/frames.h"
#include "host/bus/amqp/library.h"

namespace outboard::bus::amqp {

struct Connection::Impl {
  Impl(LibraryState opened, const ConnectionOptions& options, const Endpoint& where);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // FAILED_PRECONDITION if the channel is not in that use.
  absl::Status CheckChannel(Channel channel, ChannelState::Use wanted);
  // Encodes and writes one method.
  template <typename Method>
  absl::Status Send(Channel channel, amqp_method_number_t id, Method method);
  // Sends and waits for the method `answer`. `what` says what is done, for errors.
  template <typename Method>
  absl::StatusOr<PendingCall> Call(Channel channel, absl::string_view what, amqp_method_number_t id,
                                   Method method, amqp_method_number_t answer);
  // Sends what is answered by an Incoming.
  template <typename Method>
  absl::Status SendAnswered(Channel channel, Answered::What what, amqp_method_number_t id,
                            Method method);
  // Waits for the answer of `call`, which was sent.
  absl::StatusOr<PendingCall> Await(PendingCall& call, absl::string_view what);
  // The table points into `arguments` and the pool, until the next call.
  absl::StatusOr<amqp_table_t> Arguments(const std::string& of, const dialect::Table& arguments);
  // Says that we go, and waits a moment for the answer.
  void SayGoodbye();

  const LibraryState state;
  const std::string endpoint;
  const std::string version;
  const Duration timeout;
  const size_t frame_max;
  Frames frames;
  amqp_pool_t pool;     // For what one call sends.
  size_t unlooked = 0;  // Bytes published since it was seen that there is room to write.
};

template <typename Method>
absl::Status Connection::Impl::Send(Channel channel, amqp_method_number_t id, Method method) {
  const int sent = amqp_send_method(state.get(), channel, id, &method);
  if (sent == AMQP_STATUS_OK) return absl::OkStatus();
  // Found before a byte is written.
  if (sent == AMQP_STATUS_TABLE_TOO_BIG) {
    return absl::InvalidArgumentError("the arguments are longer than a frame; shorten them");
  }
  return frames.Fail(sent);
}

template <typename Method>
absl::StatusOr<PendingCall> Connection::Impl::Call(Channel channel, absl::string_view what,
                                                   amqp_method_number_t id, Method method,
                                                   amqp_method_number_t answer) {
  OUTBOARD_RETURN_IF_ERROR(CheckChannel(channel, ChannelState::Use::kOpen));
  OUTBOARD_RETURN_IF_ERROR(Send(channel, id, method));
  PendingCall call{.channel = channel, .answer = answer, .text = {}};
  return Await(call, what);
}

template <typename Method>
absl::Status Connection::Impl::SendAnswered(Channel channel, Answered::What what,
                                            amqp_method_number_t id, Method method) {
  OUTBOARD_RETURN_IF_ERROR(CheckChannel(channel, ChannelState::Use::kOpen));
  OUTBOARD_RETURN_IF_ERROR(Send(channel, id, method));
  frames.ExpectAnswer(channel, what);
  return absl::OkStatus();
}

}  // namespace outboard::bus::amqp
