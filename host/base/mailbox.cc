#include "host/base/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "host/base/status.h"

namespace outboard {

Wakeup::Wakeup() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { OUTBOARD_CHECK(fd_ >= 0); }

Wakeup::~Wakeup() { close(fd_); }

void Wakeup::Signal() {
  if (signalled_.exchange(true)) return;
  const uint64_t one = 1;
  // Fails only with EAGAIN when the counter is full, and then it is readable already.
  [[maybe_unused]] const ssize_t n = write(fd_, &one, sizeof(one));
}

void Wakeup::Clear() {
  if (!signalled_) return;
  uint64_t count;
  // EAGAIN: whoever signalled has still to write, and the next call clears that.
  if (read(fd_, &count, sizeof(count)) == sizeof(count)) signalled_ = false;
}

}  // namespace outboard
