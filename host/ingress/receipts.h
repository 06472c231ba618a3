#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "host/base/clock.h"
#include "host/base/task_thread.h"
#include "host/ingress/result.h"

namespace outboard::ingress {

// Publishers that wait until lanes have ended their events, and are told how. Any thread.
class Receipts {
 public:
  using Done = std::function<void(std::vector<Result>)>;
  // Events that may be waited for at once.
  static constexpr size_t kMost = 65'536;

  // One request's, for the bus to tell.
  class Wait : public bus::ReceiptSink {
   public:
    // Only these of its events went to the bus, which counts them from 0. Before it is told any.
    virtual void OnlyThese(std::vector<size_t> places) = 0;
    // Its publisher has gone: it is answered with what came, as soon as the bus has.
    virtual void GiveUp() = 0;
  };

  // Both outlive it. `thread` has its timers.
  Receipts(const Clock* clock, TaskThread* thread, size_t most = kMost);
  ~Receipts() { Stop(); }

  // For a request of at most so many events; null: too many are waited for already. A request that
  // is alone is never refused.
  std::shared_ptr<Wait> Begin(size_t events);
  // The request was answered with `results`: `done` gets them with the receipts, once each lane
  // that the bus counts has told its end, at the latest at `until`; exactly once.
  void Await(const std::shared_ptr<Wait>& wait, std::vector<Result> results, Time until, Done done);
  // From now on nobody is kept waiting. When it returns no `done` of Await is outstanding.
  void Stop();

 private:
  struct State;
  class Waiting;
  // Ends those whose time is over, and comes again for the next. On the thread.
  void Watch();

  const std::shared_ptr<State> state_;  // Shared with what the bus may tell later.
  const Clock* const clock_;
  TaskThread* const thread_;
};

}  // namespace outboard::ingress
