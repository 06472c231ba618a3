#include "tests/broker/gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <limits>
#include <memory>
#include <utility>

#include "host/base/status.h"

namespace outboard::tests {
namespace {

constexpr Direction kDirections[] = {Direction::kToBroker, Direction::kToHost};
// In Watched(): two of the gate's own, then two of each link.
constexpr size_t kTasks = 0;
constexpr size_t kListener = 1;
constexpr size_t kFirstLink = 2;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int BoundSocket(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  const sockaddr_in address = Loopback(port);
  OUTBOARD_CHECK(fd >= 0);
  OUTBOARD_CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
  OUTBOARD_CHECK(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

void SendAtOnce(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// A link's descriptor; none where nothing is wanted, as poll() would tell of its end again and
// again.
pollfd Watch(int fd, bool in, bool out) {
  const auto events = static_cast<int16_t>((in ? POLLIN : 0) | (out ? POLLOUT : 0));
  return {events == 0 ? -1 : fd, events, 0};
}

}  // namespace

TcpGate::TcpGate(int target_port) : target_port_(target_port), holder_(BoundSocket(0)) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  OUTBOARD_CHECK(getsockname(holder_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  Listen();
  thread_ = std::thread([this] { Run(); });
}

TcpGate::~TcpGate() {
  Do([this] { end_ = true; });
  thread_.join();
  if (listener_ >= 0) close(listener_);
  close(holder_);
}

void TcpGate::Pass() {
  Do([this] {
    mode_ = Mode::kPass;
    delay_ = std::chrono::milliseconds(0);
    for (auto& budget : budget_) budget.reset();
    links_.remove_if([](const GateLink& link) { return link.swallowed(); });
    if (listener_ < 0) Listen();
  });
}

void TcpGate::Stop() {
  Do([this] { mode_ = Mode::kStop; });
}

void TcpGate::Delay(std::chrono::milliseconds each_way) {
  Do([this, each_way] { delay_ = each_way; });
}

void TcpGate::CutAll() {
  Do([this] { CutNow(); });
}

void TcpGate::CutAfter(Direction direction, uint64_t bytes) {
  Do([this, direction, bytes] {
    budget_[Index(direction)] = bytes;
    if (bytes == 0) CutNow();
  });
}

void TcpGate::HalfOpen() {
  Do([this] { mode_ = Mode::kSwallow; });
}

void TcpGate::Refuse(bool on) {
  Do([this, on] {
    if (on && listener_ >= 0) close(std::exchange(listener_, -1));
    if (!on && listener_ < 0) Listen();
  });
}

int TcpGate::connections() {
  int count = 0;
  Do([&] { count = connections_; });
  return count;
}

int TcpGate::open() {
  int count = 0;
  Do([&] { count = static_cast<int>(links_.size()); });
  return count;
}

uint64_t TcpGate::bytes(Direction direction) {
  uint64_t count = 0;
  Do([&] { count = bytes_[Index(direction)]; });
  return count;
}

void TcpGate::Do(std::function<void()> task) {
  // Shared: the gate's thread may still be inside when the caller goes on.
  const auto done = std::make_shared<std::promise<void>>();
  std::future<void> is_done = done->get_future();
  tasks_.Post([task = std::move(task), done] {
    task();
    done->set_value();
  });
  is_done.wait();
}

void TcpGate::Listen() {
  listener_ = BoundSocket(port_);
  OUTBOARD_CHECK(listen(listener_, SOMAXCONN) == 0);
}

void TcpGate::Run() {
  while (!end_) {
    auto now = GateLink::Clock::now();
    std::vector<pollfd> watched = Watched(now);
    const int found = poll(watched.data(), watched.size(), Timeout(now));
    OUTBOARD_CHECK(found >= 0 || errno == EINTR);
    now = GateLink::Clock::now();
    size_t at = kFirstLink;
    for (GateLink& link : links_) {
      const bool from_host = watched[at].revents != 0;
      const bool from_broker = watched[at + 1].revents != 0;
      at += 2;
      Serve(link, from_host, from_broker, now);
    }
    if (std::any_of(std::begin(budget_), std::end(budget_), [](auto& left) { return left == 0; })) {
      CutNow();
    }
    links_.remove_if([](const GateLink& link) { return link.done(); });
    if (watched[kListener].revents != 0) Accept();
    if (watched[kTasks].revents != 0) RunTasks();
  }
  links_.clear();
}

std::vector<pollfd> TcpGate::Watched(GateLink::Clock::time_point now) const {
  std::vector<pollfd> watched = {{tasks_.fd(), POLLIN, 0}, {listener_, POLLIN, 0}};
  const bool pass = mode_ == Mode::kPass;
  for (const GateLink& link : links_) {
    const bool host_in = mode_ != Mode::kStop && link.CanTake(Direction::kToBroker);
    watched.push_back(
        Watch(link.host_fd(), host_in, pass && link.CanGive(Direction::kToHost, now)));
    watched.push_back(Watch(link.broker_fd(), pass && link.CanTake(Direction::kToHost),
                            pass && link.CanGive(Direction::kToBroker, now)));
  }
  return watched;
}

int TcpGate::Timeout(GateLink::Clock::time_point now) const {
  if (mode_ != Mode::kPass) return -1;
  int timeout = -1;
  for (const GateLink& link : links_) {
    for (const Direction direction : kDirections) {
      const auto due = link.NextDue(direction);
      // What is due already waits for room, which poll() tells.
      if (!due.has_value() || *due <= now) continue;
      const auto wait = std::chrono::ceil<std::chrono::milliseconds>(*due - now).count();
      if (timeout < 0 || wait < timeout) timeout = static_cast<int>(wait);
    }
  }
  return timeout;
}

void TcpGate::RunTasks() {
  std::vector<std::function<void()>> tasks;
  tasks_.Drain(&tasks);
  for (const auto& task : tasks) task();
}

void TcpGate::Accept() {
  const int host = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (host < 0) return;
  const int broker = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  OUTBOARD_CHECK(broker >= 0);
  SendAtOnce(host);
  SendAtOnce(broker);
  const sockaddr_in to = Loopback(target_port_);
  // Where nobody listens the link finds out, and ends.
  [[maybe_unused]] const int started =
      connect(broker, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  links_.emplace_back(host, broker);
  ++connections_;
}

void TcpGate::Serve(GateLink& link, bool from_host, bool from_broker,
                    GateLink::Clock::time_point now) {
  if (mode_ == Mode::kStop) return;
  if (mode_ == Mode::kSwallow) {
    if (from_host) link.Swallow();
    return;
  }
  if (from_host && link.CanTake(Direction::kToBroker)) {
    link.Take(Direction::kToBroker, now + delay_);
  }
  if (from_broker && link.CanTake(Direction::kToHost)) link.Take(Direction::kToHost, now + delay_);
  for (const Direction direction : kDirections) {
    std::optional<uint64_t>& left = budget_[Index(direction)];
    const uint64_t given =
        link.Give(direction, now, left.value_or(std::numeric_limits<uint64_t>::max()));
    if (left.has_value()) *left -= given;
    bytes_[Index(direction)] += given;
  }
}

void TcpGate::CutNow() {
  links_.clear();
  for (auto& budget : budget_) budget.reset();
}

}  // namespace outboard::tests
