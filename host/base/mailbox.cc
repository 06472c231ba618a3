#include "host/base/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "host/base/status.h"

namespace outboard {

Wakeup::Wakeup() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { OUTBOARD_CHECK(fd_ >= 0); }

Wakeup::~Wakeup() { close(fd_); }

void Wakeup::Signal() {
  const uint64_t one = 1;
  // Fails only with EAGAIN when the counter is full, and then it is readable already.
  [[maybe_unused]] const ssize_t n = write(fd_, &one, sizeof(one));
}

void Wakeup::Clear() {
  uint64_t count;
  // EAGAIN: nothing was signalled.
  [[maybe_unused]] const ssize_t n = read(fd_, &count, sizeof(count));
}

}  // namespace outboard
