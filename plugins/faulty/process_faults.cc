#include "plugins/faulty/process_faults.h"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>

extern char** environ;

namespace outboard::faulty {
namespace {

using std::chrono::microseconds;

microseconds TimeOr(const Fault& fault, microseconds otherwise) {
  return ParseDuration(fault.argument).value_or(otherwise);
}

int NumberOr(const Fault& fault, int otherwise) {
  int number = otherwise;
  std::from_chars(fault.argument.data(), fault.argument.data() + fault.argument.size(), number);
  return number;
}

void Hang() {
  while (true) pause();
}

void DieBy(int signal_number) {
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

// What is no connection does not mind.
void HalfClose() {
  for (int fd = 0; fd < 1024; ++fd) shutdown(fd, SHUT_WR);
}

// Touches every page, so that the memory is really taken.
void* Take(size_t bytes) {
  void* memory = std::malloc(bytes);
  if (memory != nullptr) std::memset(memory, 0x5a, bytes);
  return memory;
}

void EatUntilDeath(const Fault& fault) {
  constexpr size_t kChunk = 16 << 20;
  const uint64_t most = ParseSize(fault.argument).value_or(uint64_t{1} << 30);
  for (uint64_t taken = 0; taken < most; taken += kChunk) {
    if (Take(kChunk) == nullptr) break;
  }
  std::fprintf(stderr, "terminate called after throwing an instance of 'std::bad_alloc'\n");
  std::abort();
}

void Leak(const Fault& fault) {
  // Reachable by nothing, on purpose: a plugin that leaks is what this program is to show.
  Take(ParseSize(fault.argument).value_or(10 << 20));
}  // NOLINT(clang-analyzer-unix.Malloc): the leak is the fault

void Burn(microseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

void StartSurvivor(bool away) {
  std::string self = "/proc/self/exe", flag = kSurvivorFlag;
  char* arguments[] = {self.data(), flag.data(), nullptr};
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  if (away) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t child = 0;
  const int error = posix_spawn(&child, self.c_str(), nullptr, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    std::fprintf(stderr, "outboard-faulty: cannot start a child: %s\n", std::strerror(error));
    return;
  }
  std::fprintf(stderr, "outboard-faulty: child %d started\n", static_cast<int>(child));
}

void Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void PrintLines(int count) {
  for (int i = 1; i <= count; ++i) Print("noise line " + std::to_string(i) + "\n");
}

void PrintLong(const Fault& fault) {
  Print(std::string(ParseSize(fault.argument).value_or(1 << 20), 'n') + "\n");
}

const std::map<std::string, std::function<void(const Fault&)>>& ProcessFaults() {
  static const auto* const faults = new std::map<std::string, std::function<void(const Fault&)>>{
      {"segv", [](const Fault&) { DieBy(SIGSEGV); }},
      {"crash", [](const Fault&) { DieBy(SIGSEGV); }},
      {"abort", [](const Fault&) { DieBy(SIGABRT); }},
      {"kill", [](const Fault&) { kill(getpid(), SIGKILL), Hang(); }},
      {"exit", [](const Fault& f) { _exit(NumberOr(f, 1)); }},
      // By raise: a signal to the whole process may leave this thread the time for an answer.
      {"stop", [](const Fault&) { raise(SIGSTOP); }},
      {"oom", EatUntilDeath},
      {"leak", Leak},
      {"hang", [](const Fault&) { Hang(); }},
      {"half-close", [](const Fault&) { HalfClose(), Hang(); }},
      {"busy", [](const Fault& f) { Burn(TimeOr(f, std::chrono::hours(24))); }},
      {"slow",
       [](const Fault& f) {
         std::this_thread::sleep_for(TimeOr(f, std::chrono::milliseconds(500)));
       }},
      {"fork", [](const Fault&) { StartSurvivor(false); }},
      {"fork-away", [](const Fault&) { StartSurvivor(true); }},
      {"noise", [](const Fault& f) { PrintLines(NumberOr(f, 1)); }},
      {"noise-long", PrintLong},
      {"noise-bytes",
       [](const Fault&) { Print(std::string("\xff\xfe\x80 not UTF-8 \0 \x1b[31m\n", 22)); }},
      {"noise-json",
       [](const Fault&) { Print("{\"level\":\"warning\",\"message\":\"structured noise\"}\n"); }},
  };
  return *faults;
}

}  // namespace

bool RunProcessFault(const Fault& fault) {
  const auto found = ProcessFaults().find(fault.name);
  if (found == ProcessFaults().end()) return false;
  found->second(fault);
  return true;
}

int RunSurvivor() {
  for (const int ignored : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT}) signal(ignored, SIG_IGN);
  std::this_thread::sleep_for(std::chrono::minutes(10));
  return 0;
}

}  // namespace outboard::faulty
