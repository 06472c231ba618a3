#pragma once

#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "host/base/clock.h"
#include "host/base/mailbox.h"

namespace outboard {

// A thread that runs tasks one after the other, some of them later: for what is not hot and must
// not block others.
class TaskThread {
 public:
  explicit TaskThread(const Clock* clock);
  // Runs what was posted before, forgets timers, ends the thread.
  ~TaskThread();
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  // Any thread.
  void Post(std::function<void()> task);
  // Posts and waits until it ran. Not on this thread.
  void Run(std::function<void()> task);
  // On this thread only.
  void At(Time when, std::function<void()> task);

 private:
  void Loop();

  const Clock* const clock_;
  Mailbox<std::function<void()>> mailbox_;  // An empty function ends the thread.
  std::multimap<Time, std::function<void()>> timers_;
  std::thread thread_;
};

}  // namespace outboard
