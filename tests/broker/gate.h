#pragma once

#include <poll.h>
#include <stddef.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <thread>
#include <vector>

#include "host/base/mailbox.h"
#include "tests/broker/gate_link.h"

namespace outboard::tests {

// A bad network on a loopback port: forwards connections to another port, as well or as badly as a
// test says. One thread of its own. The verbs come from any thread; each is in force for all
// connections, new and old, when it returns.
class TcpGate {
 public:
  // Starts by Pass().
  explicit TcpGate(int target_port);
  ~TcpGate();
  TcpGate(const TcpGate&) = delete;
  TcpGate& operator=(const TcpGate&) = delete;

  // Where the host connects to; the same all the time.
  int port() const { return port_; }

  // As at the start: ends what all other verbs began. Connections that lost bytes are cut.
  void Pass();
  // Bytes and ends of connections wait; nothing is lost.
  void Stop();
  // What comes from now on takes that long, each way.
  void Delay(std::chrono::milliseconds each_way);
  // Ends all connections now, on both sides, with what was on its way.
  void CutAll();
  // CutAll() as soon as that many more bytes went this way, over all connections; once. They
  // arrive.
  void CutAfter(Direction direction, uint64_t bytes);
  // The broker seems to hang: what the host sends is swallowed, nothing comes back, nothing ends.
  void HalfOpen();
  // While on, the port is closed. What is connected stays.
  void Refuse(bool on);

  // Taken up so far; open now; bytes delivered so far.
  int connections();
  int open();
  uint64_t bytes(Direction direction);

 private:
  enum class Mode { kPass, kStop, kSwallow };

  static size_t Index(Direction direction) { return direction == Direction::kToBroker ? 0 : 1; }

  // Runs it on the gate's thread; returns when it is done.
  void Do(std::function<void()> task);
  void Listen();
  void Run();
  std::vector<pollfd> Watched(GateLink::Clock::time_point now) const;
  int Timeout(GateLink::Clock::time_point now) const;
  void RunTasks();
  void Accept();
  // Moves what can be moved on one connection. `from_...`: poll() found something there.
  void Serve(GateLink& link, bool from_host, bool from_broker, GateLink::Clock::time_point now);
  void CutNow();

  const int target_port_;
  int port_ = 0;
  int holder_ = -1;  // keeps the port ours while it is closed
  Mailbox<std::function<void()>> tasks_;

  // The gate's thread only.
  int connections_ = 0;
  uint64_t bytes_[2] = {0, 0};
  int listener_ = -1;
  Mode mode_ = Mode::kPass;
  std::chrono::milliseconds delay_{0};
  std::optional<uint64_t> budget_[2];
  std::list<GateLink> links_;
  bool end_ = false;
  std::thread thread_;
};

}  // namespace outboard::tests
