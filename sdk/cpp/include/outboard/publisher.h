#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "outboard/event.h"

namespace outboard {

// What became of one published event.
struct PublishResult {
  bool confirmed = false;  // The bus has it, and every matching lane will bring it to an end.
  uint32_t matched = 0;    // How many lanes take a copy.
  int code =
      0;  // Not confirmed: a code of google.rpc.Code (14 UNAVAILABLE: the host is not there).
  std::string message;  // Not confirmed: what is wrong and how to fix it.
};

// Puts events on a host's bus from any program. Each call blocks until the bus has confirmed or the
// time is over; an event that was not confirmed may still have arrived: publish it again with the
// same id. Any thread.
class Publisher {
 public:
  // `address` of the host's PublisherService: unix:/path, host:port or dns:///name:port. Connects
  // when first used.
  explicit Publisher(const std::string& address,
                     std::chrono::milliseconds timeout = std::chrono::seconds(30));
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // The event needs an id, a source and a type.
  PublishResult Publish(const NewEvent& event);
  // In order; one result for each. Keep one call below 4 MiB.
  std::vector<PublishResult> Publish(const std::vector<NewEvent>& events);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard
