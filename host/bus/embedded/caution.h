#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "host/base/mutex.h"
#include "host/bus/probation.h"
#include "host/event/event.h"

namespace outboard::bus {

// Where the file has an event; for probation.
inline constexpr char kLog[] = "log ";
inline constexpr char kHeld[] = "held ";

// All that decodes events of the file goes through it, so that the host does not die of one again:
// in probation as long as that lasts, and never what is convicted, which outlives the probation and
// the letter. Any thread.
class Caution {
 public:
  // Not owned; null: there is no probation.
  explicit Caution(Probation* probation) : probation_(probation) {}

  // Calls `read`, which decodes these bytes; `offset`: where in the log their event is or was, 0 if
  // that is not known. Returns why it did not call it, as hosts died of them. What `counts` is a
  // delivery.
  template <typename Fn>
  std::optional<DeadReason> Read(const char* table, uint64_t key, uint64_t offset,
                                 absl::string_view bytes, Fn read, bool counts = true) const {
    if (std::optional<DeadReason> why = WhyNot(offset)) return why;
    if (probation_ != nullptr && probation_->on())
      return probation_->Try(table + std::to_string(key), bytes, read, counts);
    read();
    return std::nullopt;
  }
  // An event of the log, for who looks on; empty: it cannot be decoded, or must not be, and `*why`
  // says so then.
  Event Peek(uint64_t offset, absl::string_view bytes,
             std::optional<DeadReason>* why = nullptr) const;

  // Whether hosts died of the event that is or was at this offset of the log.
  bool Convicted(uint64_t offset) const {
    return any_.load(std::memory_order_acquire) && IsIn(offset);
  }
  std::optional<DeadReason> WhyNot(uint64_t offset) const;
  void Convict(uint64_t offset);
  // Somebody wants it to be decoded again.
  void Acquit(uint64_t offset);

 private:
  bool IsIn(uint64_t offset) const;

  Probation* const probation_;
  std::atomic<bool> any_{false};  // Nobody pays for what hardly ever is.
  mutable Mutex mu_;
  std::set<uint64_t> convicted_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::bus
