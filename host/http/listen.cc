#include "host/http/listen.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"

namespace outboard::http {
namespace {

constexpr int kBacklog = 256;
constexpr char kFix[] = "set host.http to another host:port (port 0: any free one)";

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::StatusOr<std::pair<std::string, std::string>> Split(const std::string& address) {
  const size_t colon = address.rfind(':');
  const bool bracketed = !address.empty() && address[0] == '[';
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size() ||
      (bracketed && (colon < 3 || address[colon - 1] != ']'))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the HTTP address \"", address, "\" is not host:port: write it as in 127.0.0.1:8080"));
  }
  std::string host = bracketed ? address.substr(1, colon - 2) : address.substr(0, colon);
  return std::pair(std::move(host), address.substr(colon + 1));
}

absl::StatusOr<Addresses> Resolve(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error == 0) return Addresses(found, &freeaddrinfo);
  return absl::UnavailableError(absl::StrCat(
      "the HTTP address ", host, ":", port, " cannot be found: ", gai_strerror(error), ": ", kFix));
}

absl::Status BindError(const std::string& host, const std::string& port, int error) {
  const std::string where = absl::StrCat("port ", port, " at ", host);
  if (error == EADDRINUSE) {
    return absl::AlreadyExistsError(absl::StrCat(
        "cannot serve HTTP: ", where, " is taken by another program: stop that one, or ", kFix));
  }
  if (error == EACCES) {
    return absl::UnavailableError(absl::StrCat("cannot serve HTTP: this user may not listen at ",
                                               where, ": use a port above 1023: ", kFix));
  }
  if (error == EADDRNOTAVAIL) {
    return absl::UnavailableError(
        absl::StrCat("cannot serve HTTP: ", host, " is not an address of this machine: ", kFix));
  }
  return absl::UnavailableError(
      absl::StrCat("cannot serve HTTP at ", where, ": ", strerror(error), ": ", kFix));
}

// The bound address, or empty.
std::string BoundAddress(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  auto* plain = reinterpret_cast<sockaddr*>(&bound);
  if (getsockname(fd, plain, &size) != 0 ||
      getnameinfo(plain, size, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "";
  }
  const char* const name = host;
  const char* const number = port;
  return bound.ss_family == AF_INET6 ? absl::StrCat("[", name, "]:", number)
                                     : absl::StrCat(name, ":", number);
}

// The socket, or -1 with errno set.
int TryListen(const addrinfo& to) {
  const int fd = socket(to.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;  // A restart may take the port over though old connections linger.
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, to.ai_addr, to.ai_addrlen) == 0 && listen(fd, kBacklog) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

absl::StatusOr<Listening> Listen(const std::string& address) {
  OUTBOARD_ASSIGN_OR_RETURN(const auto parts, Split(address));
  const auto& [host, port] = parts;
  OUTBOARD_ASSIGN_OR_RETURN(const Addresses found, Resolve(host, port));
  int error = 0;
  for (const addrinfo* to = found.get(); to != nullptr; to = to->ai_next) {
    const int fd = TryListen(*to);
    if (fd >= 0) return Listening{fd, BoundAddress(fd)};
    if (error == 0) error = errno;  // The first address is the preferred one.
  }
  return BindError(host, port, error);
}

}  // namespace outboard::http
