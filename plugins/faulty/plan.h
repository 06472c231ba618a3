#pragma once

#include <atomic>

#include "outboard/plugin/v1/session.pb.h"
#include "plugins/faulty/options.h"

namespace outboard::faulty {

// Picks the fault for each delivery: the event's attribute 'faulty' first, else --mode with its
// limits. Any thread.
class Plan {
 public:
  explicit Plan(const Options& options) : options_(options) {}

  Fault For(const plugin::v1::Delivery& delivery);

  // Whether a fault may be done now; with --once it makes the file that forbids the next one.
  bool Permit();

 private:
  Fault FromMode();

  const Options& options_;
  std::atomic<uint64_t> seen_{0};
  std::atomic<uint64_t> done_{0};
};

}  // namespace outboard::faulty
