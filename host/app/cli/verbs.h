#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/app/cli/client.h"

namespace outboard::app {

// One function per verb; each gives an ExitCode and has told on the terminal what there is to tell.

struct PublishOptions {
  HostOptions host;
  // One event from flags.
  std::string type, source, subject, id, data, data_file, content_type;
  std::vector<std::string> attributes;  // name=value
  bool has_data = false;                // --data was given, even if empty.
  // Or many from a file; "-" is standard input.
  std::string file;
  uint64_t from_line = 1;
  double rate = 0;  // Events per second; 0: as fast as they are taken.
  std::string confirmed_log;
};

struct TailOptions {
  HostOptions host;
  std::vector<std::string> types;
  uint32_t last = 0;
};

// Which dead letters, for list, replay and purge.
struct DeadOptions {
  HostOptions host;
  std::vector<uint64_t> ids;
  std::string lane, reason;
  bool all = false;
  bool yes = false;
  uint32_t limit = 100;
  uint64_t after = 0;
};

struct ForgetOptions {
  HostOptions host;
  std::string lane;
  bool discard = false;
  bool to_dead = false;
  bool yes = false;
};

int RunStatus(const HostOptions& options, const Terminal& terminal);
int RunPublish(const PublishOptions& options, const Terminal& terminal);
int RunTail(const TailOptions& options, const Terminal& terminal);
int RunDeadList(const DeadOptions& options, const Terminal& terminal);
int RunDeadShow(const DeadOptions& options, const Terminal& terminal);
int RunDeadReplay(const DeadOptions& options, const Terminal& terminal);
int RunDeadPurge(const DeadOptions& options, const Terminal& terminal);
int RunLaneList(const HostOptions& options, const Terminal& terminal);
int RunLaneForget(const ForgetOptions& options, const Terminal& terminal);
int RunVersion(bool json, const Terminal& terminal);

}  // namespace outboard::app
