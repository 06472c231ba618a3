#include "tests/integration/http/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "host/base/status.h"

namespace outboard::http {
namespace {

// A test that hangs fails; shorter than the server keeps idle connections, so that these ends do
// not save a starved client.
constexpr time_t kPatienceSeconds = 20;

}  // namespace

Client::Client(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  OUTBOARD_CHECK(fd_ >= 0);
  const timeval patience{kPatienceSeconds, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  OUTBOARD_CHECK(connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
}

Client::~Client() { close(fd_); }

void Client::Send(const std::string& bytes) {
  // A server may have closed already: the test sees it when it reads.
  [[maybe_unused]] const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

bool Client::ReadMore() {
  char chunk[16384];
  const ssize_t got = recv(fd_, chunk, sizeof chunk, 0);
  if (got <= 0) return false;
  buffer_.append(chunk, static_cast<size_t>(got));
  return true;
}

std::string Client::ReadAnswer(bool head) {
  size_t end = std::string::npos;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadMore()) return std::exchange(buffer_, "");
  }
  constexpr char kLength[] = "Content-Length: ";
  const size_t length = buffer_.find(kLength);
  size_t size = end + 4;
  if (!head && length < end) {
    size += static_cast<size_t>(std::atoll(buffer_.c_str() + length + sizeof kLength - 1));
  }
  while (buffer_.size() < size) {
    if (!ReadMore()) break;
  }
  const std::string answer = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return answer;
}

bool Client::Readable() const {
  pollfd poll_fd{fd_, POLLIN, 0};
  return !buffer_.empty() || poll(&poll_fd, 1, 0) > 0;
}

bool Client::ReadEnd() {
  char chunk[1024];
  for (;;) {
    const ssize_t got = recv(fd_, chunk, sizeof chunk, 0);
    if (got <= 0) return got == 0 || errno == ECONNRESET;
  }
}

std::string Get(int port, const std::string& path, const std::string& method) {
  Client client(port);
  client.Send(method + " " + path + " HTTP/1.1\r\nHost: test\r\n\r\n");
  return client.ReadAnswer(method == "HEAD");
}

}  // namespace outboard::http
