#include "host/bus/amqp/frames.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/bus/amqp/errors.h"
#include "host/bus/amqp/library.h"
#include "host/bus/amqp/login.h"

namespace outboard::bus::amqp {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
using Use = ChannelState::Use;
using Part = ChannelState::Part;

// The Send... that a method answers.
std::optional<Answered::What> SendAnsweredBy(amqp_method_number_t method) {
  switch (method) {
    case AMQP_CHANNEL_OPEN_OK_METHOD: return Answered::What::kChannelOpen;
    case AMQP_BASIC_QOS_OK_METHOD: return Answered::What::kPrefetch;
    case AMQP_BASIC_CONSUME_OK_METHOD: return Answered::What::kConsume;
    default: return std::nullopt;
  }
}

template <typename T>
const T& As(const amqp_method_t& method) {
  return *static_cast<const T*>(method.decoded);
}

// Of a Delivered or a Returned.
RawMessage& MessageOf(Incoming& incoming) {
  auto* const delivered = std::get_if<Delivered>(&incoming);
  return delivered != nullptr ? delivered->message : std::get<Returned>(incoming).message;
}

Duration Slice(int heartbeat_seconds) {
  return heartbeat_seconds == 0 ? Duration(std::chrono::seconds(5))
                                : Duration(std::chrono::milliseconds(250 * heartbeat_seconds));
}

}  // namespace

Frames::Frames(amqp_connection_state_t state, std::string endpoint)
    : state_(state), endpoint_(std::move(endpoint)), slice_(Slice(amqp_get_heartbeat(state))) {
  const int max = amqp_get_channel_max(state);
  channels_.resize((max == 0 ? kChannelMax : max) + 1);
}

bool Frames::Poll(short events, std::chrono::nanoseconds wait) const {
  const int64_t ns = std::clamp<int64_t>(
      wait.count(), 0, std::chrono::duration_cast<std::chrono::nanoseconds>(slice_).count());
  const timespec most{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  pollfd fd{.fd = amqp_get_sockfd(state_), .events = events, .revents = 0};
  return ppoll(&fd, 1, &most, nullptr) > 0 && (fd.revents & ~POLLIN) != 0;
}

absl::StatusOr<bool> Frames::ReadOne(Duration wait) {
  if (!over_.ok()) return over_;
  const bool waits = wait > Duration::zero();
  const SteadyTime deadline = waits ? std::chrono::steady_clock::now() + wait : SteadyTime();
  while (true) {
    // The library's own waiting has whole milliseconds only, rounded down. Each look sends a
    // heartbeat if it is time for one, and fails if the broker's are missing.
    static constexpr timeval kNoWait{};
    amqp_frame_t frame;
    const int status = amqp_simple_wait_frame_noblock(state_, &frame, &kNoWait);
    if (status == AMQP_STATUS_OK) {
      Take(frame);
      // All of it was copied: without this the library's memory grows.
      amqp_maybe_release_buffers_on_channel(state_, frame.channel);
      if (!over_.ok()) return over_;
      return true;
    }
    if (status != AMQP_STATUS_TIMEOUT) return End(LibraryText(status));
    if (!waits) return false;
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0) return false;
    Poll(POLLIN, left);
  }
}

absl::StatusOr<bool> Frames::WaitForRoom(Duration wait) {
  if (!over_.ok()) return over_;
  const SteadyTime deadline = std::chrono::steady_clock::now() + wait;
  while (!Poll(POLLOUT, {})) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool read, ReadOne(Duration::zero()));
    if (read) continue;
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0) return false;
    Poll(POLLIN | POLLOUT, left);
  }
  return true;
}

absl::Status Frames::Fail(int library_status) {
  while (over_.ok()) {
    const absl::StatusOr<bool> read = ReadOne(Duration::zero());
    if (!read.ok() || !*read) break;
  }
  return End(LibraryText(library_status));
}

const absl::Status& Frames::End(absl::string_view text) {
  if (over_.ok()) {
    over_ = absl::UnavailableError(absl::StrCat("RabbitMQ at ", endpoint_, ": ", text));
  }
  return over_;
}

void Frames::Take(const amqp_frame_t& frame) {
  if (frame.channel == 0) {
    if (frame.frame_type == AMQP_FRAME_METHOD) TakeConnectionMethod(frame.payload.method);
    return;
  }
  if (frame.channel >= channels_.size()) return;
  ChannelState& channel = channels_[frame.channel];
  switch (frame.frame_type) {
    case AMQP_FRAME_METHOD: TakeMethod(frame.channel, frame.payload.method); break;
    case AMQP_FRAME_HEADER: TakeHeader(channel, frame); break;
    case AMQP_FRAME_BODY: TakeBody(channel, frame.payload.body_fragment); break;
    default: break;
  }
}

void Frames::TakeConnectionMethod(const amqp_method_t& method) {
  switch (method.id) {
    case AMQP_CONNECTION_CLOSE_METHOD: {
      const auto& close = As<amqp_connection_close_t>(method);
      End(absl::StrCat("the broker closed the connection: ",
                       EscapeForPeople(View(close.reply_text)), " (", close.reply_code, ")"));
      amqp_connection_close_ok_t ok{};
      amqp_send_method(state_, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
      break;
    }
    case AMQP_CONNECTION_CLOSE_OK_METHOD: End("we closed the connection"); break;
    case AMQP_CONNECTION_BLOCKED_METHOD:
      ready_.emplace_back(Blocked{Text(As<amqp_connection_blocked_t>(method).reason)});
      break;
    case AMQP_CONNECTION_UNBLOCKED_METHOD: ready_.emplace_back(Unblocked{}); break;
    default: break;
  }
}

void Frames::TakeMethod(Channel number, const amqp_method_t& method) {
  switch (method.id) {
    case AMQP_BASIC_DELIVER_METHOD: StartDelivery(number, As<amqp_basic_deliver_t>(method)); break;
    case AMQP_BASIC_RETURN_METHOD: StartReturn(number, As<amqp_basic_return_t>(method)); break;
    case AMQP_BASIC_ACK_METHOD: {
      const auto& ack = As<amqp_basic_ack_t>(method);
      ready_.emplace_back(Confirmed{number, ack.delivery_tag, ack.multiple != 0, true});
      break;
    }
    case AMQP_BASIC_NACK_METHOD: {
      const auto& nack = As<amqp_basic_nack_t>(method);
      ready_.emplace_back(Confirmed{number, nack.delivery_tag, nack.multiple != 0, false});
      break;
    }
    case AMQP_BASIC_CANCEL_METHOD:
      ready_.emplace_back(Cancelled{number, Text(As<amqp_basic_cancel_t>(method).consumer_tag)});
      break;
    case AMQP_CHANNEL_CLOSE_METHOD: TakeClose(number, As<amqp_channel_close_t>(method)); break;
    case AMQP_CHANNEL_CLOSE_OK_METHOD: TakeCloseOk(number); break;
    case AMQP_CHANNEL_FLOW_METHOD: {
      amqp_channel_flow_ok_t ok{As<amqp_channel_flow_t>(method).active};
      if (amqp_send_method(state_, number, AMQP_CHANNEL_FLOW_OK_METHOD, &ok) < 0) {
        End("an answer could not be sent");
      }
      break;
    }
    default: TakeAnswer(number, method); break;
  }
}

void Frames::TakeAnswer(Channel number, const amqp_method_t& method) {
  ChannelState& channel = channels_[number];
  // What answers a close that crossed the broker's comes before this, if it comes at all.
  if (method.id == AMQP_CHANNEL_OPEN_OK_METHOD) channel.close_crossed = false;
  if (const auto what = SendAnsweredBy(method.id); what.has_value()) {
    uint32_t& waiting = channel.unanswered[static_cast<size_t>(*what)];
    if (waiting > 0) {
      --waiting;
      ready_.emplace_back(Answered{number, *what});
      return;
    }
  }
  if (call_ == nullptr || call_->channel != number || call_->answer != method.id) return;
  call_->state = PendingCall::State::kAnswered;
  if (method.id == AMQP_QUEUE_DECLARE_OK_METHOD) {
    const auto& ok = As<amqp_queue_declare_ok_t>(method);
    call_->messages = ok.message_count;
    call_->consumers = ok.consumer_count;
  } else if (method.id == AMQP_QUEUE_DELETE_OK_METHOD) {
    call_->messages = As<amqp_queue_delete_ok_t>(method).message_count;
  }
}

void Frames::TakeClose(Channel number, const amqp_channel_close_t& close) {
  ChannelState& channel = channels_[number];
  amqp_channel_close_ok_t ok{};
  const int sent = amqp_send_method(state_, number, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
  channel.close_crossed = channel.use == Use::kClosing;
  channel.closed_by =
      absl::StrCat(EscapeForPeople(View(close.reply_text)), " (", close.reply_code, ")");
  BecomeClosed(number);
  if (call_ != nullptr && call_->channel == number) {
    call_->state = PendingCall::State::kRefused;
    call_->code = close.reply_code;
    call_->text = Text(close.reply_text);
  } else {
    ready_.emplace_back(ChannelClosed{number, close.reply_code, Text(close.reply_text)});
  }
  if (sent < 0) End(LibraryText(sent));
}

void Frames::TakeCloseOk(Channel number) {
  ChannelState& channel = channels_[number];
  if (std::exchange(channel.close_crossed, false)) return;
  if (channel.use != Use::kClosing) return;
  BecomeClosed(number);
  if (call_ != nullptr && call_->channel == number &&
      call_->answer == AMQP_CHANNEL_CLOSE_OK_METHOD) {
    call_->state = PendingCall::State::kAnswered;
  } else {
    ready_.emplace_back(Answered{number, Answered::What::kChannelClose});
  }
}

void Frames::Open(Channel number) {
  channels_[number].use = Use::kOpen;
  channels_[number].closed_by.clear();
}

void Frames::StartClosing(Channel number) {
  channels_[number].use = Use::kClosing;
  DropDeliveries(number);
}

void Frames::BecomeClosed(Channel number) {
  ChannelState& channel = channels_[number];
  channel.use = Use::kClosed;
  channel.part = Part::kNone;
  channel.message = Unblocked{};
  channel.unanswered = {};
  DropDeliveries(number);
}

void Frames::DropDeliveries(Channel number) {
  const auto gone = [number](const Incoming& i) {
    const auto* delivered = std::get_if<Delivered>(&i);
    return delivered != nullptr && delivered->channel == number;
  };
  ready_.erase(std::remove_if(ready_.begin(), ready_.end(), gone), ready_.end());
}

void Frames::StartDelivery(Channel number, const amqp_basic_deliver_t& deliver) {
  ChannelState& channel = channels_[number];
  Delivered& delivered = channel.message.emplace<Delivered>();
  delivered.channel = number;
  delivered.tag = deliver.delivery_tag;
  delivered.redelivered = deliver.redelivered != 0;
  delivered.message =
      RawMessage(View(deliver.exchange), View(deliver.routing_key), channel.last_size);
  channel.part = Part::kHeader;
}

void Frames::StartReturn(Channel number, const amqp_basic_return_t& returned) {
  ChannelState& channel = channels_[number];
  Returned& out = channel.message.emplace<Returned>();
  out.channel = number;
  out.code = returned.reply_code;
  out.text = Text(returned.reply_text);
  out.message = RawMessage(View(returned.exchange), View(returned.routing_key), 0);
  channel.part = Part::kHeader;
}

void Frames::TakeHeader(ChannelState& channel, const amqp_frame_t& frame) {
  if (channel.part != Part::kHeader || frame.payload.properties.class_id != AMQP_BASIC_CLASS) {
    if (channel.use == Use::kOpen) End("a message's header came out of turn");
    return;
  }
  channel.missing = frame.payload.properties.body_size;
  MessageOf(channel.message).SetProperties(View(frame.payload.properties.raw), channel.missing);
  channel.part = Part::kBody;
  if (channel.missing == 0) FinishMessage(channel);
}

void Frames::TakeBody(ChannelState& channel, amqp_bytes_t body) {
  if (channel.part != Part::kBody || body.len > channel.missing) {
    if (channel.use == Use::kOpen) End("a message's body came out of turn");
    return;
  }
  MessageOf(channel.message).AppendBody(View(body));
  channel.missing -= body.len;
  if (channel.missing == 0) FinishMessage(channel);
}

void Frames::FinishMessage(ChannelState& channel) {
  channel.part = Part::kNone;
  channel.last_size = MessageOf(channel.message).size();
  // What is delivered while our close is on its way goes back to its queue with it.
  if (channel.use == Use::kClosing && std::holds_alternative<Delivered>(channel.message)) return;
  ready_.push_back(std::move(channel.message));
}

}  // namespace outboard::bus::amqp
