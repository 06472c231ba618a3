#include "tests/broker/gate_link.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace outboard::tests {
namespace {

constexpr size_t kChunk = 64 << 10;
// What one way holds, at most; beyond that the sender waits, as on a long wire.
constexpr size_t kMaxQueued = 4 << 20;

Direction Other(Direction direction) {
  return direction == Direction::kToBroker ? Direction::kToHost : Direction::kToBroker;
}

bool OnlyLater(ssize_t result) {
  return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

}  // namespace

GateLink::GateLink(int host_fd, int broker_fd)
    : host_fd_(host_fd),
      broker_fd_(broker_fd),
      to_broker_{.source = host_fd, .sink = broker_fd, .queue = {}},
      to_host_{.source = broker_fd, .sink = host_fd, .queue = {}} {}

GateLink::~GateLink() {
  close(host_fd_);
  close(broker_fd_);
}

bool GateLink::CanTake(Direction direction) const {
  return !way(direction).ended && way(direction).queued < kMaxQueued;
}

bool GateLink::CanGive(Direction direction, Clock::time_point now) const {
  const Way& it = way(direction);
  return !it.queue.empty() && it.queue.front().due <= now;
}

std::optional<GateLink::Clock::time_point> GateLink::NextDue(Direction direction) const {
  const Way& it = way(direction);
  if (it.queue.empty()) return std::nullopt;
  return it.queue.front().due;
}

void GateLink::Take(Direction direction, Clock::time_point due) {
  Way& it = way(direction);
  std::string bytes(kChunk, '\0');
  const ssize_t got = recv(it.source, bytes.data(), bytes.size(), 0);
  if (OnlyLater(got)) return;
  if (got < 0) Finish(way(Other(direction)));  // The socket is broken for both ways.
  bytes.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  it.ended = bytes.empty();
  it.queued += bytes.size();
  if (!it.queue.empty()) due = std::max(due, it.queue.back().due);
  if (!it.finished) it.queue.push_back({due, std::move(bytes)});
}

void GateLink::Swallow() {
  char bytes[kChunk];
  const ssize_t got = recv(to_broker_.source, bytes, sizeof bytes, 0);
  if (OnlyLater(got)) return;
  if (got > 0) {
    swallowed_ = true;
    return;
  }
  Finish(to_broker_);
  Finish(to_host_);
}

uint64_t GateLink::Give(Direction direction, Clock::time_point now, uint64_t limit) {
  Way& it = way(direction);
  uint64_t given = 0;
  while (CanGive(direction, now)) {
    const std::string& bytes = it.queue.front().bytes;
    if (bytes.empty()) {
      Finish(it);
      break;
    }
    if (given == limit) break;
    const size_t size = std::min<uint64_t>(bytes.size() - it.offset, limit - given);
    const ssize_t sent = send(it.sink, bytes.data() + it.offset, size, MSG_NOSIGNAL);
    if (OnlyLater(sent)) break;
    if (sent < 0) {
      Finish(it);
      break;
    }
    given += static_cast<uint64_t>(sent);
    it.queued -= static_cast<size_t>(sent);
    it.offset += static_cast<size_t>(sent);
    if (it.offset == bytes.size()) {
      it.queue.pop_front();
      it.offset = 0;
    }
  }
  return given;
}

// Tells the receiver that this was all; what did not get there is lost.
void GateLink::Finish(Way& way) {
  if (!way.finished) shutdown(way.sink, SHUT_WR);
  way.finished = true;
  way.ended = true;
  way.queue.clear();
  way.queued = 0;
  way.offset = 0;
}

}  // namespace outboard::tests
