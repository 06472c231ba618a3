#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace outboard {

// google.protobuf.Timestamp: seconds since the Unix epoch, and nanoseconds counted forwards from
// there.
struct Timestamp {
  int64_t seconds = 0;
  int32_t nanos = 0;

  friend bool operator==(const Timestamp&, const Timestamp&) = default;
};

// True if `t` lies in the years 1 to 9999 and its nanoseconds in a second.
bool IsValidTimestamp(Timestamp t);

// RFC 3339 in UTC with 0, 3, 6 or 9 digits of a second: 2026-01-31T12:00:00.120Z. `t` must be
// valid.
std::string FormatTimestamp(Timestamp t);

// Reads RFC 3339, any offset. Digits beyond nanoseconds are cut; a leap second counts as the second
// after it. Nothing if it is none, or outside the range of IsValidTimestamp.
std::optional<Timestamp> ParseTimestamp(absl::string_view text);

}  // namespace outboard
