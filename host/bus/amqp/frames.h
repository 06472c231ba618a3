#pragma once

#include <amqp.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/bus/amqp/connection.h"

namespace outboard::bus::amqp {

inline constexpr size_t kAnswers = 4;  // Of Answered::What.

// What is known about a channel number.
struct ChannelState {
  enum class Use { kClosed, kOpen, kClosing };  // kOpen from the time the opening was sent.
  enum class Part { kNone, kHeader, kBody };    // What a message that is being read waits for.

  Use use = Use::kClosed;
  Part part = Part::kNone;
  Incoming message;  // Delivered or Returned.
  uint64_t missing = 0;
  size_t last_size = 0;  // Bytes of the message before: the next one is probably as large.
  // Sends that wait for their Answered, which come before the answer of a later call.
  std::array<uint32_t, kAnswers> unanswered{};
  // Both sides closed at once: the broker's answer to our close is still to come, and tells
  // nothing.
  bool close_crossed = false;
  std::string closed_by;  // The broker's text, if it closed the channel.
};

// A call that waits for its answer.
struct PendingCall {
  Channel channel = 0;
  amqp_method_number_t answer = 0;
  enum class State { kWaiting, kAnswered, kRefused } state = State::kWaiting;
  uint32_t messages = 0, consumers = 0;  // Of answers that count.
  uint16_t code = 0;                     // Of a refusal.
  std::string text;
};

// Reads all frames of a connection: the only place that does. One thread.
class Frames {
 public:
  // `state` must outlive it.
  Frames(amqp_connection_state_t state, std::string endpoint);

  // Reads one frame, waiting up to `wait`, and takes note of it; false: there is none.
  absl::StatusOr<bool> ReadOne(Duration wait);

  // Waits up to `wait` for room to write, reading meanwhile; false: there is none.
  absl::StatusOr<bool> WaitForRoom(Duration wait);

  // Why the connection is over, or OK.
  const absl::Status& over() const { return over_; }
  // The library failed to send: the connection is over. Reads what came before, the broker's reason
  // among it.
  absl::Status Fail(int library_status);
  // The same for a reason of our own.
  const absl::Status& End(absl::string_view text);

  const ChannelState& channel(Channel number) const { return channels_[number]; }
  // The opening or the close of a channel is sent now. Once it is closing its deliveries are void.
  void Open(Channel number);
  void StartClosing(Channel number);
  // One more answer to be handed out will come.
  void ExpectAnswer(Channel number, Answered::What what) {
    ++channels_[number].unanswered[static_cast<size_t>(what)];
  }
  Channel channel_max() const { return static_cast<Channel>(channels_.size() - 1); }
  // For as long as it waits; null: none.
  void set_call(PendingCall* call) { call_ = call; }
  // Things that are complete, oldest first.
  std::deque<Incoming>& ready() { return ready_; }

 private:
  // Waits for the socket; true: there is room to write, or it is broken.
  bool Poll(short events, std::chrono::nanoseconds wait) const;
  void Take(const amqp_frame_t& frame);
  void TakeConnectionMethod(const amqp_method_t& method);
  void TakeMethod(Channel number, const amqp_method_t& method);
  void TakeAnswer(Channel number, const amqp_method_t& method);
  void TakeClose(Channel number, const amqp_channel_close_t& close);
  void TakeCloseOk(Channel number);
  void StartDelivery(Channel number, const amqp_basic_deliver_t& deliver);
  void StartReturn(Channel number, const amqp_basic_return_t& returned);
  void TakeHeader(ChannelState& channel, const amqp_frame_t& frame);
  void TakeBody(ChannelState& channel, amqp_bytes_t body);
  void FinishMessage(ChannelState& channel);
  void DropDeliveries(Channel number);
  void BecomeClosed(Channel number);

  const amqp_connection_state_t state_;
  const std::string endpoint_;
  const Duration slice_;  // The longest time without looking at heartbeats.
  absl::Status over_;
  PendingCall* call_ = nullptr;
  std::deque<Incoming> ready_;
  std::vector<ChannelState> channels_;  // By number; 0 is not used.
};

}  // namespace outboard::bus::amqp
