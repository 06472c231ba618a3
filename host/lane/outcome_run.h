#pragma once

#include <cstdint>
#include <deque>

#include "absl/strings/string_view.h"

namespace outboard::lane {

// Tells an outage from poison: the unbroken run of failures (RETRY or deadline) up to now, and how
// many events it is of.
class OutcomeRun {
 public:
  // The run counts as an outage when its last `outcomes` are of at least `events` different events.
  OutcomeRun(uint32_t outcomes, uint32_t events) : outcomes_(outcomes), events_(events) {}

  void AddFailure(absl::string_view event_id);
  // Any answer but RETRY.
  void Break() {
    if (!last_.empty()) last_.clear();
  }
  bool IsOutage() const;

 private:
  const uint32_t outcomes_;
  const uint32_t events_;
  std::deque<uint64_t> last_;  // Hashes of event ids, at most outcomes_.
};

}  // namespace outboard::lane
