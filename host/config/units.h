#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/base/clock.h"

namespace outboard::config {

// The least that most durations may be.
inline constexpr Duration kMillisecond = std::chrono::milliseconds(1);

// "500ms", "1s", "5m", "2h", "7d", also "1.5s" and sums from large to small as "1h30m".
// INVALID_ARGUMENT says how to write it.
absl::StatusOr<Duration> ParseDuration(absl::string_view text);
// The shortest exact form that ParseDuration reads.
std::string FormatDuration(Duration duration);

// "64MiB", "1GiB", "1.5KiB", plain bytes. Decimal units (MB) are refused, since people mean MiB as
// often.
absl::StatusOr<uint64_t> ParseSize(absl::string_view text);
// The largest unit that shows it exactly.
std::string FormatSize(uint64_t bytes);

// RFC 3339: "2026-01-31T12:00:00Z", with fractions and offsets.
absl::StatusOr<Time> ParseTime(absl::string_view text);

}  // namespace outboard::config
