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
  double receipts = 0;  // Of one event: wait so many seconds for them; 0: not at all.
};

struct TailOptions {
  HostOptions host;
  std::vector<std::string> types;
  uint32_t last = 0;
};

// Which dead letters, for list, group, replay and purge.
struct DeadOptions {
  HostOptions host;
  std::vector<uint64_t> ids;
  std::string lane, route, target, reason, version, group;
  std::string type, source, subject, event;  // Of the event.
  std::vector<std::string> attributes;       // name=value
  std::string since, before;                 // RFC 3339, or how long ago: 90s, 15m, 2h, 3d.
  bool all = false;
  bool yes = false;
  bool dry_run = false;
  double rate = 0;  // Replays a second; 0: no limit.
  uint32_t limit = 100;
  uint64_t after = 0;
};

struct EditOptions {
  HostOptions host;
  uint64_t id = 0;
  std::vector<std::string> set;  // name=value; without a value: is taken out.
  std::string data_file;
  bool undo = false;
  bool dry_run = false;
};

struct ForgetOptions {
  HostOptions host;
  std::string lane;
  bool discard = false;
  bool to_dead = false;
  bool yes = false;
};

struct PauseOptions {
  HostOptions host;
  std::string lane;
  bool paused = true;
};

struct ReloadOptions {
  HostOptions host;
  bool dry_run = false;
  bool apply = false;                // Says what happens anyway.
  std::vector<std::string> replace;  // Plugins.
};

// A plugin that is started or dialled without a running host.
struct PluginOptions {
  std::vector<std::string> command;  // Or one address.
  std::vector<std::string> env;      // NAME=VALUE
  std::string config;                // A file, or JSON.
  std::string events;                // A file of sample events; empty: made up.
  std::string component;             // Empty: all.
  double patience = 10;              // Seconds.
  double start_timeout = 60;
  bool show_output = false;
};

struct ConformOptions {
  PluginOptions plugin;
  std::string grade = "robust";
  std::vector<std::string> rules;  // Empty: all of the grade.
  std::string junit;               // A file.
  bool json = false;
  bool list = false;
  bool transcript = false;
};

struct TryOptions {
  PluginOptions plugin;
  bool json = false;
};

struct NewOptions {
  std::string name, language;
  std::string role = "worker";
  std::string folder;  // Empty: the name.
  std::string sdk;     // Empty: that of the clone in which this program lies.
  bool json = false;
};

struct WhyOptions {
  HostOptions host;
  std::string id;
  std::string source;  // Empty: any.
  bool tree = false;
};

int RunNew(const NewOptions& options, const Terminal& terminal);
int RunTry(const TryOptions& options, const Terminal& terminal);
int RunConform(const ConformOptions& options, const Terminal& terminal);
int RunStatus(const HostOptions& options, const Terminal& terminal);
int RunPublish(const PublishOptions& options, const Terminal& terminal);
int RunTail(const TailOptions& options, const Terminal& terminal);
int RunDeadList(const DeadOptions& options, const Terminal& terminal);
int RunDeadGroup(const DeadOptions& options, const Terminal& terminal);
int RunDeadShow(const DeadOptions& options, const Terminal& terminal);
int RunDeadEdit(const EditOptions& options, const Terminal& terminal);
int RunDeadReplay(const DeadOptions& options, const Terminal& terminal);
int RunDeadPurge(const DeadOptions& options, const Terminal& terminal);
int RunLaneList(const HostOptions& options, const Terminal& terminal);
int RunLaneForget(const ForgetOptions& options, const Terminal& terminal);
int RunLanePause(const PauseOptions& options, const Terminal& terminal);
int RunReload(const ReloadOptions& options, const Terminal& terminal);
int RunWhy(const WhyOptions& options, const Terminal& terminal);
int RunVersion(bool json, const Terminal& terminal);

}  // namespace outboard::app
