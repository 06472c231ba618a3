#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "host/config/config.h"
#include "host/config/diff.h"

namespace outboard::app {

// A whole running host: bus, plugins, shards, admin socket, HTTP. Start, then Drain, then destroy.
class Host {
 public:
  // Brings everything up, or nothing. The error says what, where and how to fix it. Does not wait
  // for plugins.
  static absl::StatusOr<std::unique_ptr<Host>> Start(const config::Config& config);
  ~Host();

  // Takes nothing new, lets what is in flight finish up to host.drain_timeout, gives back the rest,
  // stops the plugins. False: something was not confirmed by the bus in time; it comes again at the
  // next start.
  bool Drain();

  // Reads the config file again and brings what it changes in force, or says why not: then all is
  // as it was. One at a time; blocks for as long as plugins take to start and lanes to empty.
  struct Reloaded {
    std::vector<config::Change> changes;  // Those that the file asks for.
    std::vector<std::string> warnings;
    bool applied = false;
  };
  struct ReloadOptions {
    bool dry_run = false;              // Only tells the changes.
    std::vector<std::string> replace;  // Plugins to be replaced though their config is the same.
  };
  absl::StatusOr<Reloaded> Reload(const ReloadOptions& options);
  // The same on a thread of its own; what came of it is logged.
  void ReloadLater();

  // Where things are, for people.
  std::string http_address() const;
  std::string grpc_address() const;
  std::string admin_socket() const;

 private:
  class Impl;
  explicit Host(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::app
