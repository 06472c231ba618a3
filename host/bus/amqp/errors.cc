#include "host/bus/amqp/errors.h"

#include <amqp.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "host/base/text.h"

namespace outboard::bus::amqp {
namespace {

// The library loses why a connect failed: why one more to the same address does. Empty: it does
// not.
std::string WhyNotConnected(const addrinfo& address, Duration timeout) {
  const int fd = socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                        address.ai_protocol);
  if (fd < 0) return std::strerror(errno);
  int problem = connect(fd, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (problem == EINPROGRESS) {
    pollfd wait{.fd = fd, .events = POLLOUT, .revents = 0};
    socklen_t size = sizeof(problem);
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
    if (poll(&wait, 1, static_cast<int>(ms)) != 1) {
      problem = ETIMEDOUT;
    } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) != 0) {
      problem = errno;
    }
  }
  close(fd);
  return problem == 0 ? std::string() : std::strerror(problem);
}

std::string WhyNotConnected(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* addresses = nullptr;
  if (const int problem = getaddrinfo(endpoint.host.c_str(), absl::StrCat(endpoint.port).c_str(),
                                      &hints, &addresses);
      problem != 0) {
    return gai_strerror(problem);
  }
  std::string why;
  for (const addrinfo* a = addresses; a != nullptr; a = a->ai_next) {
    why = WhyNotConnected(*a, std::chrono::seconds(1));
    if (why.empty()) break;
  }
  freeaddrinfo(addresses);
  return why;
}

std::string Seconds(Duration d) {
  return absl::StrCat(std::chrono::duration<double>(d).count(), " s");
}

std::string TlsFailure(int status, const ConnectionOptions& options, const Endpoint& endpoint,
                       absl::string_view detail) {
  const std::string said = detail.empty() ? std::string() : absl::StrCat(" (", detail, ")");
  if (absl::StrContains(detail, "wrong version number") ||
      absl::StrContains(detail, "unexpected eof") || absl::StrContains(detail, "packet length")) {
    return absl::StrCat("the port does not speak TLS", said,
                        "; use the broker's TLS port (5671 by default), or amqp:// in bus.url");
  }
  if (absl::StrContains(detail, "mismatch") || status == AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED) {
    const std::string& name =
        options.tls.server_name.empty() ? endpoint.host : options.tls.server_name;
    return absl::StrCat("the broker's certificate is not for ", Quoted(name), said,
                        "; connect by a name that is in it, or set the server's name in bus.tls");
  }
  if (absl::StrContains(detail, "alert")) {
    return absl::StrCat("the broker refused the TLS handshake", said,
                        "; it may want a client certificate, or not know the CA of ours");
  }
  return absl::StrCat("the broker's certificate is not trusted", said,
                      "; set the file with its CA in bus.tls");
}

}  // namespace

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", EscapeForPeople(Truncate(text, 260)), "\"");
}

std::string Name(const Endpoint& endpoint) {
  const bool brackets = endpoint.host.find(':') != std::string::npos;
  return absl::StrCat(brackets ? "[" : "", EscapeForPeople(endpoint.host), brackets ? "]" : "", ":",
                      endpoint.port);
}

std::string LibraryText(int status) {
  switch (status) {
    case AMQP_STATUS_CONNECTION_CLOSED:
    case AMQP_STATUS_SOCKET_CLOSED:
      return "the connection was cut: the broker stopped, or something between closed it";
    case AMQP_STATUS_SOCKET_ERROR:
    case AMQP_STATUS_TCP_ERROR:
      return "the connection was cut: the broker's machine or the network failed";
    case AMQP_STATUS_HEARTBEAT_TIMEOUT:
      return "the connection is dead: nothing came from the broker for two heartbeats";
    case AMQP_STATUS_SSL_ERROR: return "the TLS connection was cut";
    case AMQP_STATUS_BAD_AMQP_DATA:
    case AMQP_STATUS_UNKNOWN_METHOD:
    case AMQP_STATUS_UNKNOWN_CLASS:
    case AMQP_STATUS_WRONG_METHOD:
    case AMQP_STATUS_UNEXPECTED_STATE:
      return absl::StrCat("what came is no AMQP 0-9-1 (", amqp_error_string2(status), ")");
    default: return amqp_error_string2(status);
  }
}

absl::Status Refusal(absl::string_view endpoint, absl::string_view what, uint16_t code,
                     absl::string_view text) {
  const std::string message =
      absl::StrCat(what, " at ", endpoint, ": ", EscapeForPeople(text), " (", code, ")");
  switch (code) {
    case AMQP_ACCESS_REFUSED:
      if (absl::StrContains(text, "reserved prefix"))
        return absl::InvalidArgumentError(absl::StrCat(message, "; give it another name"));
      return absl::PermissionDeniedError(
          absl::StrCat(message, "; give the user the permission: rabbitmqctl set_permissions"));
    case AMQP_NOT_FOUND: return absl::NotFoundError(message);
    case AMQP_RESOURCE_LOCKED: return absl::ResourceExhaustedError(message);
    case AMQP_PRECONDITION_FAILED: return absl::FailedPreconditionError(message);
    default: return absl::InvalidArgumentError(message);
  }
}

absl::Status LoginRefusal(const ConnectionOptions& options, const Endpoint& endpoint, uint16_t code,
                          absl::string_view text) {
  const std::string broker = absl::StrCat("RabbitMQ at ", Name(endpoint));
  const std::string user = Quoted(options.user), vhost = Quoted(options.vhost);
  const std::string said = absl::StrCat(": ", EscapeForPeople(text), " (", code, "); ");
  if (absl::StrContains(text, "limit") || absl::StrContains(text, "is down")) {
    return absl::UnavailableError(absl::StrCat(broker, " lets nobody in for now", said,
                                               "see its log and limits; this is tried again"));
  }
  if (code == AMQP_ACCESS_REFUSED) {
    return absl::PermissionDeniedError(absl::StrCat(
        broker, " refused the login of user ", user, said,
        "correct user and password in bus.url (guest may only log in from the broker's "
        "own machine)"));
  }
  if (code == AMQP_NOT_ALLOWED && absl::StrContains(text, "not found")) {
    return absl::PermissionDeniedError(
        absl::StrCat(broker, " has no vhost ", vhost, said,
                     "correct the vhost at the end of bus.url, or make it: rabbitmqctl add_vhost ",
                     EscapeForPeople(options.vhost)));
  }
  if (code == AMQP_NOT_ALLOWED) {
    return absl::PermissionDeniedError(absl::StrCat(
        broker, " does not let user ", user, " into vhost ", vhost, said,
        "give it the permission: rabbitmqctl set_permissions -p ", EscapeForPeople(options.vhost),
        " ", EscapeForPeople(options.user), " '.*' '.*' '.*'"));
  }
  return absl::UnavailableError(
      absl::StrCat(broker, " closed the connection at the login", said, "see the broker's log"));
}

absl::Status ConnectFailure(const ConnectionOptions& options, const Endpoint& endpoint, int status,
                            absl::string_view detail) {
  const std::string broker = absl::StrCat("RabbitMQ at ", Name(endpoint), ": ");
  const auto unavailable = [&broker](const auto&... text) {
    return absl::UnavailableError(absl::StrCat(broker, text...));
  };
  constexpr char kCheckAddress[] = "; start the broker, or correct host and port in bus.url";
  const std::string closed = absl::StrCat(
      "it closed the connection before the login; wait until it is up, and look "
      "whether the port is AMQP's",
      options.tls.on ? "" : " (a TLS port, 5671 by default, needs amqps://)");
  switch (status) {
    case AMQP_STATUS_HOSTNAME_RESOLUTION_FAILED:
      return unavailable("the host's name is not known (", WhyNotConnected(endpoint),
                         "); correct it in bus.url, or mend the name service");
    case AMQP_STATUS_TIMEOUT:
      return unavailable("no answer within ", Seconds(options.timeout), kCheckAddress,
                         ", and look for a firewall");
    case AMQP_STATUS_SOCKET_ERROR:
    case AMQP_STATUS_TCP_ERROR: {
      const std::string why = WhyNotConnected(endpoint);
      if (why.empty()) return unavailable(closed);
      return unavailable(why, kCheckAddress);
    }
    case AMQP_STATUS_SSL_ERROR:
    case AMQP_STATUS_SSL_CONNECTION_FAILED:
    case AMQP_STATUS_SSL_PEER_VERIFY_FAILED:
    case AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED:
      return unavailable(TlsFailure(status, options, endpoint, detail));
    case AMQP_STATUS_CONNECTION_CLOSED:
    case AMQP_STATUS_SOCKET_CLOSED: return unavailable(closed);
    case AMQP_STATUS_BROKER_UNSUPPORTED_SASL_METHOD:
      return unavailable(
          "it takes no login by user and password; add PLAIN to its auth_mechanisms");
    default:
      return unavailable(LibraryText(status),
                         "; correct host and port in bus.url (5672 by default)");
  }
}

}  // namespace outboard::bus::amqp
