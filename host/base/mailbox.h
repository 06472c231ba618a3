#pragma once

#include <atomic>
#include <utility>
#include <vector>

#include "host/base/mutex.h"

namespace outboard {

// A descriptor that poll() finds readable after Signal() until Clear(). Any thread may signal,
// after it left what it has to say; one thread clears, before it looks for that. Signals in between
// cost no call of the system.
class Wakeup {
 public:
  Wakeup();
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  int fd() const { return fd_; }
  void Signal();
  void Clear();

 private:
  const int fd_;
  std::atomic<bool> signalled_ = false;
};

// How other threads speak to a thread that polls: any thread posts, one thread drains.
// Unbounded by itself: whoever posts is bound by credits elsewhere.
template <typename T>
class Mailbox {
 public:
  int fd() const { return wakeup_.fd(); }

  void Post(T item) OUTBOARD_EXCLUDES(mu_) {
    bool first;
    {
      MutexLock lock(mu_);
      first = items_.empty();
      items_.push_back(std::move(item));
    }
    if (first) wakeup_.Signal();
  }

  // Replaces *out by all that was posted, in order. Clears the descriptor.
  void Drain(std::vector<T>* out) OUTBOARD_EXCLUDES(mu_) {
    out->clear();
    wakeup_.Clear();
    MutexLock lock(mu_);
    out->swap(items_);
  }

 private:
  Wakeup wakeup_;
  Mutex mu_;
  std::vector<T> items_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard
