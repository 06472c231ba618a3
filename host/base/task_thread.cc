#include "host/base/task_thread.h"

#include <poll.h>

#include <algorithm>
#include <future>
#include <utility>

namespace outboard {

TaskThread::TaskThread(const Clock* clock) : clock_(clock), thread_([this] { Loop(); }) {}

TaskThread::~TaskThread() {
  mailbox_.Post({});
  thread_.join();
}

void TaskThread::Post(std::function<void()> task) { mailbox_.Post(std::move(task)); }

void TaskThread::Run(std::function<void()> task) {
  std::promise<void> done;
  Post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

void TaskThread::At(Time when, std::function<void()> task) {
  timers_.emplace(when, std::move(task));
}

void TaskThread::Loop() {
  std::vector<std::function<void()>> tasks;
  while (true) {
    int timeout_ms = -1;
    if (!timers_.empty()) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - clock_->Now());
      timeout_ms = static_cast<int>(std::clamp<int64_t>(left.count(), 0, 60'000));
    }
    pollfd fd{mailbox_.fd(), POLLIN, 0};
    poll(&fd, 1, timeout_ms);
    mailbox_.Drain(&tasks);
    for (std::function<void()>& task : tasks) {
      if (!task) return;
      task();
    }
    while (!timers_.empty() && timers_.begin()->first <= clock_->Now()) {
      const std::function<void()> task = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      task();
    }
  }
}

}  // namespace outboard
