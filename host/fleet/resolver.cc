#include "host/fleet/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "host/base/mutex.h"

namespace outboard::fleet {
namespace {

absl::StatusOr<std::vector<std::string>> LookUp(const RemoteAddress& address) {
  if (!address.unix_path.empty())
    return std::vector<std::string>{absl::StrCat("unix:", address.unix_path)};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &list);
  if (error != 0) {
    return absl::UnavailableError(absl::StrCat("cannot resolve ", address.host, ": ",
                                               gai_strerror(error),
                                               "; mend its address, or the name in DNS"));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  std::vector<std::string> out;
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
      continue;
    }
    out.push_back(a->ai_family == AF_INET6 ? absl::StrCat("ipv6:[", host, "]:", port)
                                           : absl::StrCat("ipv4:", host, ":", port));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace

absl::StatusOr<RemoteAddress> ParseAddress(absl::string_view text) {
  const auto bad = [text](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address ", text, " ", why, ": write dns:///name:port, host:port or unix:/absolute/path"));
  };
  RemoteAddress out;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    if (!absl::StartsWith(rest, "/")) return bad("names no absolute path");
    if (rest.size() > 107) return bad("has a path above 107 bytes");
    out.unix_path = std::string(rest);
    return out;
  }
  absl::ConsumePrefix(&rest, "dns:///");
  const size_t colon = rest.rfind(':');
  if (colon == absl::string_view::npos || colon == 0 || colon + 1 == rest.size())
    return bad("has no port");
  absl::string_view host = rest.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  out.host = std::string(host);
  out.port = std::string(rest.substr(colon + 1));
  return out;
}

class Resolver::Impl {
 public:
  Impl(RemoteAddress address, Duration interval,
       std::function<void(std::vector<std::string>)> found,
       std::function<void(absl::Status)> failed)
      : address_(std::move(address)),
        interval_(interval),
        found_(std::move(found)),
        failed_(std::move(failed)),
        thread_([this] { Run(); }) {}

  ~Impl() {
    {
      MutexLock lock(mu_);
      stopped_ = true;
    }
    changed_.NotifyAll();
    thread_.join();
  }

  void Hurry() {
    {
      MutexLock lock(mu_);
      hurry_ = true;
    }
    changed_.NotifyAll();
  }

 private:
  // False: stop.
  bool WaitForTurn() {
    MutexLock lock(mu_);
    const auto until = std::chrono::steady_clock::now() + interval_;
    while (!stopped_ && !hurry_) {
      const auto now = std::chrono::steady_clock::now();
      if (now >= until) break;
      changed_.WaitFor(mu_, until - now);
    }
    hurry_ = false;
    return !stopped_;
  }

  void Run() {
    do {
      absl::StatusOr<std::vector<std::string>> addresses = LookUp(address_);
      if (addresses.ok()) {
        found_(*std::move(addresses));
      } else {
        failed_(addresses.status());
      }
    } while (WaitForTurn());
  }

  const RemoteAddress address_;
  const Duration interval_;
  const std::function<void(std::vector<std::string>)> found_;
  const std::function<void(absl::Status)> failed_;
  Mutex mu_;
  CondVar changed_;
  bool stopped_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool hurry_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

Resolver::Resolver(RemoteAddress address, Duration interval,
                   std::function<void(std::vector<std::string>)> found,
                   std::function<void(absl::Status)> failed)
    : impl_(std::make_unique<Impl>(std::move(address), interval, std::move(found),
                                   std::move(failed))) {}
Resolver::~Resolver() = default;
void Resolver::Hurry() { impl_->Hurry(); }

}  // namespace outboard::fleet
