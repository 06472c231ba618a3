#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "outboard/event.h"
#include "outboard/verdict.h"

namespace outboard {

// How a lane ended an event.
struct Receipt {
  enum class End { kDone = 1, kDropped, kDead };
  std::string lane;  // "route/target"
  End end = End::kDone;
  std::optional<Offset> offset;          // Done by a producer: where it put the event, if it says.
  std::optional<Timestamp> accepted_at;  // The same: when, by the other system's clock.
  std::string reason;  // Dead: reason code of the dead letter. Dropped: the stage that said so.
};

// What became of one published event.
struct PublishResult {
  bool confirmed = false;  // The bus has it, and every matching lane will bring it to an end.
  uint32_t matched = 0;    // How many lanes take a copy.
  int code =
      0;  // Not confirmed: a code of google.rpc.Code (14 UNAVAILABLE: the host is not there).
  std::string message;  // Not confirmed: what is wrong and how to fix it.
  // The stage before the bus that dropped it: not confirmed, code 0, and nothing to be repeated.
  std::string dropped_by = {};
  // Confirmed, and asked for: by lane, as far as they have told in time.
  std::vector<Receipt> receipts = {};
};

// How to reach a host. Files in PEM; with any of them, or `tls`, the connection is encrypted.
struct PublisherOptions {
  std::string address;  // unix:/path, host:port or dns:///name:port
  std::string token;    // Shown with each call; empty: none.
  bool tls = false;
  std::string ca_file;              // Of the host's certificate; empty: the system's.
  std::string cert_file, key_file;  // What this program shows.
  std::chrono::milliseconds timeout = std::chrono::seconds(30);

  // What the host gave to this plugin, if it may publish (publish: in the host's configuration):
  // $OUTBOARD_PUBLISH and $OUTBOARD_TOKEN. Nothing: it did not.
  static std::optional<PublisherOptions> FromEnvironment();
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
  explicit Publisher(const PublisherOptions& options);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // The event needs an id, a source and a type.
  PublishResult Publish(const NewEvent& event);
  // In order; one result for each. Keep one call below 4 MiB.
  std::vector<PublishResult> Publish(const std::vector<NewEvent>& events);
  // The same, and waits so long (5 minutes at most) until each lane has ended each event.
  std::vector<PublishResult> Publish(const std::vector<NewEvent>& events,
                                     std::chrono::milliseconds receipts_within);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard
