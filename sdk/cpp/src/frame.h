#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "outboard/verdict.h"

namespace outboard::internal {

// One delivery, pointing into its frame.
struct Delivery {
  uint64_t id = 0;
  uint32_t attempt = 0;
  std::string_view event;  // Encoded outboard.event.v1.Event.
  std::string_view call;   // Encoded outboard.plugin.v1.Call; has_call: in place of the event.
  bool has_call = false;
  std::optional<std::chrono::nanoseconds> time_left;
  std::string_view order_key;
  std::string_view route;
};

// A request frame of any role (their shapes are the same), pointing into its bytes.
struct Frame {
  bool has_open = false;
  bool has_close = false;
  std::string_view open;   // Encoded outboard.plugin.v1.Open.
  std::string_view close;  // Encoded outboard.plugin.v1.Close.
  std::vector<Delivery> deliveries;
  std::vector<uint64_t> cancel_ids;
};

// False where the bytes are no such frame or a delivery has no id.
bool ParseFrame(std::string_view bytes, Frame* frame);

// An encoded outboard.plugin.v1.Payload.
std::string EncodeAnswer(const Payload& answer);

// Answers that wait to be sent, already encoded.
class AnswerBuffer {
 public:
  // `limit`: the largest frame that the host takes. A verdict above it becomes a REJECT that says
  // so.
  explicit AnswerBuffer(size_t limit = 4 << 20) : limit_(limit) {}

  void AddOpened(std::string_view instance_id);
  void AddVerdict(uint64_t delivery_id, const Verdict& verdict);
  void AddProgress(uint64_t delivery_id);

  size_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  // The next frame: all that waits, or as much as fits into one.
  std::string Take();

 private:
  void AddMessage(uint32_t field, std::string_view message);

  const size_t limit_;
  std::deque<std::string>
      messages_;              // Opened and verdicts, encoded as fields; each of at most a frame.
  std::string done_ids_;      // Packed.
  std::string progress_ids_;  // Packed.
  size_t count_ = 0;
};

}  // namespace outboard::internal
