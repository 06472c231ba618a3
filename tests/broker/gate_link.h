#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace outboard::tests {

enum class Direction { kToBroker, kToHost };

// One connection through a TcpGate: its two sockets and, each way, what is between them. Lives on
// the gate's thread.
class GateLink {
 public:
  using Clock = std::chrono::steady_clock;

  // Owns both, which do not block. The one to the broker may still be connecting.
  GateLink(int host_fd, int broker_fd);
  ~GateLink();
  GateLink(const GateLink&) = delete;
  GateLink& operator=(const GateLink&) = delete;

  int host_fd() const { return host_fd_; }
  int broker_fd() const { return broker_fd_; }

  // Whether there is room for what this way's sender says, and it has not ended.
  bool CanTake(Direction direction) const;
  // Whether something is due for this way's receiver.
  bool CanGive(Direction direction, Clock::time_point now) const;
  // When CanGive() becomes true.
  std::optional<Clock::time_point> NextDue(Direction direction) const;

  // Reads what the sender said, its end included; due at that time, and after all before it.
  void Take(Direction direction, Clock::time_point due);
  // Reads what the host said and forgets it. The host's end is the connection's.
  void Swallow();
  // Writes what is due, at most `limit` bytes; how many it wrote.
  uint64_t Give(Direction direction, Clock::time_point now, uint64_t limit);

  // Whether both ways have ended.
  bool done() const { return to_broker_.finished && to_host_.finished; }
  bool swallowed() const { return swallowed_; }

 private:
  struct Chunk {
    Clock::time_point due;
    std::string bytes;  // empty: the end
  };
  struct Way {
    int source;
    int sink;
    std::deque<Chunk> queue;
    size_t offset = 0;  // into the first
    size_t queued = 0;
    bool ended = false;     // nothing more comes
    bool finished = false;  // nothing more goes
  };

  Way& way(Direction direction) {
    return direction == Direction::kToBroker ? to_broker_ : to_host_;
  }
  const Way& way(Direction direction) const {
    return direction == Direction::kToBroker ? to_broker_ : to_host_;
  }
  static void Finish(Way& way);

  const int host_fd_;
  const int broker_fd_;
  Way to_broker_;
  Way to_host_;
  bool swallowed_ = false;
};

}  // namespace outboard::tests
