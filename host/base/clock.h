#pragma once

#include <chrono>
#include <cstdint>

namespace outboard {

// All durations inside the host; 64 bits of microseconds.
using Duration = std::chrono::microseconds;
// Microseconds since the Unix epoch. One run of the host never sees it go backwards: Clock advances
// it by the monotonic clock, so a step of the wall clock during a run does not fire or delay
// timers.
using Time = std::chrono::sys_time<std::chrono::microseconds>;

inline constexpr Time kNever = Time::max();

// Where the time comes from. Injected; only the outermost wiring makes a RealClock.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() const = 0;
};

// Wall time at construction, advanced by the monotonic clock. Safe on any thread.
class RealClock final : public Clock {
 public:
  RealClock();
  Time Now() const override;

 private:
  const std::chrono::system_clock::time_point wall_;
  const std::chrono::steady_clock::time_point steady_;
};

// A clock for tests and the simulator: stands still until told. One thread.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Time start = Time(std::chrono::seconds(1'700'000'000))) : now_(start) {}
  Time Now() const override { return now_; }
  void Advance(Duration d) { now_ += d; }
  void Set(Time t) { now_ = t; }

 private:
  Time now_;
};

}  // namespace outboard
