#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "host/base/clock.h"
#include "host/bus/settlement.h"

namespace outboard::bus {

// The reason of a dead letter whose bytes the host died of: nothing decodes them again, unless it
// is replayed.
inline constexpr char kHostCrash[] = "HOST_CRASH";

// Finds what the host itself dies of. A file in the data folder is there as long as a host runs, so
// one that finds it at its start knows that the host before it did not end by itself. It reads its
// first deliveries in probation then, one at a time, and the file says which one is being read.
// What was being read when two hosts died is convicted: it is not read again.
//
// The file is mapped: what is written survives the end of the process, without a call for each.
// Where it cannot be made there is no probation, which is logged. Owned by the host, outlives its
// consumers.
class Probation {
 public:
  static constexpr uint64_t kDeliveries = 10'000;
  static constexpr uint32_t kStarts = 2;  // So many hosts died while they read it.

  explicit Probation(const Clock* clock) : clock_(clock) {}
  // Takes the file away, if EndWell was called or the host before this one ended well.
  ~Probation();
  Probation(const Probation&) = delete;
  Probation& operator=(const Probation&) = delete;

  // Before the first event is decoded. `folder` is there, and no other host uses it.
  void Begin(const std::string& folder);
  // The host has drained, or gives up in order.
  void EndWell() { ended_well_ = true; }

  // ---- Any thread ----
  // Costs nothing where it is over, or never began.
  bool on() const { return left_.load(std::memory_order_acquire) > 0; }
  // Deliveries still to be read one at a time.
  uint64_t left() const { return left_.load(std::memory_order_relaxed); }
  // Deliveries that were not read, since hosts died of them.
  uint64_t convictions() const { return convictions_.load(std::memory_order_relaxed); }

  // While it is on: calls `read`, alone of all threads, while the file says that these bytes, at
  // this place of the bus, are being read. Returns why they are not read at all; nothing: they
  // were. What `counts` is one of the deliveries.
  template <typename Fn>
  std::optional<DeadReason> Try(absl::string_view place, absl::string_view bytes, Fn read,
                                bool counts = true) {
    const uint64_t fingerprint = FingerprintOf(place, bytes);
    if (std::optional<DeadReason> why = WhyNot(fingerprint, counts)) return why;
    Enter(fingerprint);
    read();
    Leave(counts);
    return std::nullopt;
  }

 private:
  struct File;

  // Never 0, and the same in every version.
  static uint64_t FingerprintOf(absl::string_view place, absl::string_view bytes);
  std::optional<DeadReason> WhyNot(uint64_t fingerprint, bool counts);
  void Enter(uint64_t fingerprint);
  void Leave(bool counts);
  void Learn();

  const Clock* const clock_;
  std::string path_;
  File* file_ = nullptr;  // Null: there is none.
  bool fresh_ = true;     // The host before this one ended well, or there was none.
  bool ended_well_ = false;
  std::atomic<uint64_t> left_{0};
  std::atomic<uint64_t> convictions_{0};
};

}  // namespace outboard::bus
