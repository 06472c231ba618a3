#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define OUTBOARD_TS(x) __attribute__((x))
#else
#define OUTBOARD_TS(x)
#endif
#define OUTBOARD_GUARDED_BY(x) OUTBOARD_TS(guarded_by(x))
#define OUTBOARD_REQUIRES(...) OUTBOARD_TS(requires_capability(__VA_ARGS__))
#define OUTBOARD_EXCLUDES(...) OUTBOARD_TS(locks_excluded(__VA_ARGS__))

namespace outboard {

// std::mutex with clang's annotations. A lock is a leaf: collect under it, call after it.
class OUTBOARD_TS(capability("mutex")) Mutex {
 public:
  void Lock() OUTBOARD_TS(acquire_capability()) { mu_.lock(); }
  void Unlock() OUTBOARD_TS(release_capability()) { mu_.unlock(); }
  // For CondVar only: the names that std::condition_variable_any asks for.
  void lock() OUTBOARD_TS(acquire_capability()) { mu_.lock(); }
  void unlock() OUTBOARD_TS(release_capability()) { mu_.unlock(); }

 private:
  std::mutex mu_;
};

class OUTBOARD_TS(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mu) OUTBOARD_TS(acquire_capability(mu)) : mu_(mu) { mu_.Lock(); }
  ~MutexLock() OUTBOARD_TS(release_capability()) { mu_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

// Waits with the mutex held; always in a loop over the condition.
class CondVar {
 public:
  void Wait(Mutex& mu) OUTBOARD_REQUIRES(mu) { cv_.wait(mu); }
  // False when the time ran out.
  template <typename Rep, typename Period>
  bool WaitFor(Mutex& mu, std::chrono::duration<Rep, Period> d) OUTBOARD_REQUIRES(mu) {
    return cv_.wait_for(mu, d) == std::cv_status::no_timeout;
  }
  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

 private:
  std::condition_variable_any cv_;
};

}  // namespace outboard
