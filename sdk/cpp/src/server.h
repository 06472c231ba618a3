#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "outboard/plugin.h"

namespace outboard::internal {

// Serves a plugin at an address over gRPC. The plugin outlives it.
class Server {
 public:
  // Null where it cannot listen there.
  static std::unique_ptr<Server> Start(const Plugin& plugin, const std::string& address);
  ~Server();

  // Graceful: hosts see GOAWAY and drain; what is open after that time is cancelled. Then waits for
  // the handlers.
  void Stop(std::chrono::milliseconds grace);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::internal
