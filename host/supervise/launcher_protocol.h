#pragma once

#include <cstdint>

// What the host and outboard-launcher say to each other: one packet each over a SOCK_SEQPACKET
// pair. Both are built and installed together, so the structs are plain memory.
//
// Host to launcher: kGo once; then any number of kSignal, and kKillAll. End of file: the host is
// gone.
//
// Launcher to host: kStarted, or kNotStarted with the reason; kEnded when the plugin's own process
// is gone, and again with the final figures when all that it started is gone, too.
//
// Called as `outboard-launcher LABEL DIRECTORY PROGRAM ARGV0 [ARG...]`, with the plugin's
// environment. Descriptors 0, 1 and 2 become the plugin's; 3 is the socket.
namespace outboard::supervise {

inline constexpr int kControlFd = 3;

enum class CommandKind : uint32_t { kGo = 1, kSignal = 2, kKillAll = 3 };

struct CommandPacket {
  CommandKind kind;
  int32_t signal;  // of kSignal: goes to the plugin's process group
};

enum class ReportKind : uint32_t { kStarted = 1, kNotStarted = 2, kEnded = 3 };

enum class StartStep : uint32_t { kFork = 1, kDirectory = 2, kExecute = 3 };

struct ReportPacket {
  ReportKind kind;
  StartStep step;          // kNotStarted: where it failed
  int32_t error;           // kNotStarted: errno
  int32_t pid;             // kStarted
  int32_t wait_status;     // kEnded: as of waitpid
  uint64_t max_rss_bytes;  // kEnded
  uint64_t cpu_us;         // kEnded
};

}  // namespace outboard::supervise
