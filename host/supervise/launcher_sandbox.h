#pragma once

#include <stdint.h>

#include "host/supervise/launcher_options.h"
#include "host/supervise/launcher_protocol.h"

// What the child does to itself between fork and exec. Libc only.
namespace outboard::supervise {

// What the child tells the launcher over their pipe, each in one write.
struct ChildNote {
  bool fatal;  // it ends with 127; else only `measure` could not be taken
  StartStep step;
  Measure measure;
  int32_t error;
  char path[sizeof(ReportPacket::path)];
};

class ChildNotes {
 public:
  ChildNotes(int fd, const LauncherOptions& options);

  // A measure is missing. Does not return where it is required.
  void Unapplied(Measure measure, int error, const char* path = "") const;
  [[noreturn]] void Fail(StartStep step, Measure measure, int error, const char* path = "") const;

 private:
  void Write(const ChildNote& note, const char* path) const;

  const int fd_;
  uint32_t required_ = 0;
};

// All measures but SealSyscalls, in their order: cgroups, files, namespaces, user, Landlock.
// Returns whether sockets have to be held back by SealSyscalls, as there is no other way.
bool TakeMeasures(const LauncherOptions& options, const ChildNotes& notes);

// The last thing before the program: it may need what it forbids.
void SealSyscalls(const LauncherOptions& options, bool local_sockets_only, const ChildNotes& notes);

}  // namespace outboard::supervise
