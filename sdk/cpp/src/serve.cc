#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "outboard/outboard.h"
#include "src/server.h"

namespace outboard {
namespace {

using std::chrono::milliseconds;

// For handlers after a signal, and after the host is gone: it starts new work elsewhere at once.
constexpr milliseconds kGrace(20'000);
constexpr milliseconds kOrphanGrace(3'000);

int signal_pipe[2] = {-1, -1};

void OnSignal(int) {
  static volatile sig_atomic_t seen = 0;
  const int saved = errno;
  if (seen != 0) _exit(1);
  seen = 1;
  const char byte = 0;
  if (write(signal_pipe[1], &byte, 1) < 0) _exit(1);
  errno = saved;
}

bool CatchSignals() {
  if (pipe2(signal_pipe, O_CLOEXEC) != 0) return false;
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return true;
}

// A launched plugin has a pipe there whose other end only the host's launcher holds; a terminal or
// /dev/null says nothing about a host.
bool HostHoldsStdin(const std::string& address) {
  struct stat info;
  return address.rfind("unix:", 0) == 0 && fstat(STDIN_FILENO, &info) == 0 &&
         (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode));
}

// Waits for a signal or the end of stdin; says how long handlers may then take.
milliseconds WaitForEnd(bool watch_stdin) {
  pollfd fds[2] = {{signal_pipe[0], POLLIN, 0}, {watch_stdin ? STDIN_FILENO : -1, POLLIN, 0}};
  while (true) {
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[0].revents != 0) return kGrace;
    char ignored[512];
    if (fds[1].revents != 0 && read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
      return kOrphanGrace;
  }
}

int Usage(const std::string& message) {
  std::fprintf(stderr, "outboard: %s\n", message.c_str());
  return 2;
}

}  // namespace

int Serve(const Plugin& plugin) {
  const char* listen = std::getenv("OUTBOARD_LISTEN");
  if (listen == nullptr || *listen == '\0') {
    return Usage(
        "OUTBOARD_LISTEN is not set. A host sets it when it starts a plugin; by hand, try "
        "OUTBOARD_LISTEN=unix:/tmp/" +
        plugin.name() + ".sock");
  }
  if (const std::string fault = plugin.Fault(); !fault.empty()) return Usage(fault);
  const std::string address = listen;
  if (!CatchSignals()) return Usage("cannot make a pipe for signals");
  const std::unique_ptr<internal::Server> server = internal::Server::Start(plugin, address);
  if (server == nullptr) {
    std::fprintf(stderr,
                 "outboard: cannot listen at %s (unix:/path of at most 107 bytes in a folder that "
                 "exists, or host:port that is free)\n",
                 listen);
    return 1;
  }
  const milliseconds grace = WaitForEnd(HostHoldsStdin(address));
  // A handler that never returns must not keep the process.
  std::thread([grace] {
    std::this_thread::sleep_for(grace);
    std::fprintf(stderr, "outboard: a handler still runs after %lld s, ending without it\n",
                 static_cast<long long>(grace.count() / 1000));
    std::fflush(nullptr);
    _exit(0);
  }).detach();
  server->Stop(grace - milliseconds(500));
  return 0;
}

}  // namespace outboard
