#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "host/config/config.h"

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

  // Where things are, for people.
  std::string http_address() const;
  std::string admin_socket() const;

 private:
  class Impl;
  explicit Host(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::app
