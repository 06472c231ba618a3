#pragma once

#include <cstdint>

// What the host and outboard-launcher say to each other: one packet each over a SOCK_SEQPACKET
// pair. Both are built and installed together, so the structs are plain memory.
//
// Host to launcher: kGo once; then any number of kSignal, and kKillAll. End of file: the host is
// gone.
//
// Launcher to host: kUnapplied for each measure that could not be taken; then kStarted, or
// kNotStarted with the reason; kEnded when the plugin's own process is gone, and again with the
// final figures when all that it started is gone, too.
//
// Called as `outboard-launcher LABEL DIRECTORY PROGRAM [KEY=VALUE...] -- ARGV0 [ARG...]`, with the
// plugin's environment. Descriptors 0, 1 and 2 become the plugin's; 3 is the socket. The keys:
//
//   limit=M:DIR:FILE:VALUE  make the cgroup DIR, write VALUE into its FILE, put the plugin in it;
//                           for measure M (its number), or 0 for what may fail
//   memory=BYTES            where no cgroup watches the memory, the launcher does
//   files=N                 RLIMIT_NOFILE
//   user=UID:GID[,GID...]   the plugin's user, group and further groups
//   view=BYTES              read-only view, with a private /tmp of so many bytes; and in it:
//     keep=PATH             visible even where it lies below what is private or hidden
//     write=PATH            as well, and writable
//     hide=PATH             an empty folder, or file, in its place
//   network=off, syscalls=filter, landlock=on, capabilities=none
//   require=MASK            measures (bit 1 << M) without which the plugin is not started
//   dry=on                  all but the program: exits with 0 in its place
namespace outboard::supervise {

inline constexpr int kControlFd = 3;

// What a plugin can be limited by.
enum class Measure : uint32_t {
  kNone = 0,
  kMemory = 1,
  kCpu = 2,
  kProcesses = 3,
  kFiles = 4,
  kUser = 5,
  kView = 6,
  kNetwork = 7,
  kSyscalls = 8,
  kLandlock = 9,
};

enum class CommandKind : uint32_t { kGo = 1, kSignal = 2, kKillAll = 3 };

struct CommandPacket {
  CommandKind kind;
  int32_t signal;  // of kSignal: goes to the plugin's process group
};

enum class ReportKind : uint32_t { kStarted = 1, kNotStarted = 2, kEnded = 3, kUnapplied = 4 };

// Where a start failed. kMeasure: a required measure, or one that failed half-way.
enum class StartStep : uint32_t { kFork = 1, kDirectory = 2, kExecute = 3, kMeasure = 4 };

// Why processes were killed for their memory.
enum class MemoryKill : uint32_t { kNone = 0, kByKernel = 1, kByLauncher = 2 };

struct ReportPacket {
  ReportKind kind;
  StartStep step;          // kNotStarted: where it failed
  int32_t error;           // kNotStarted, kUnapplied: errno
  Measure measure;         // kNotStarted at kMeasure, kUnapplied
  int32_t pid;             // kStarted
  int32_t wait_status;     // kEnded: as of waitpid
  uint64_t max_rss_bytes;  // kEnded
  uint64_t cpu_us;         // kEnded
  MemoryKill memory_kill;  // kEnded
  char path[256];          // kNotStarted, kUnapplied: what it was about, cut; empty: nothing
};

}  // namespace outboard::supervise
