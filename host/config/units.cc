#include "host/config/units.h"

#include <cmath>
#include <cstdlib>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "host/base/text.h"

namespace outboard::config {
namespace {

constexpr int64_t kMaxMicros = int64_t{1000} * 365 * 86400 * 1'000'000;  // A thousand years.

struct DurationUnit {
  absl::string_view name;
  int64_t micros;
};
// Longest name first where one begins another.
constexpr DurationUnit kDurationUnits[] = {{"d", 86'400'000'000}, {"h", 3'600'000'000},
                                           {"ms", 1'000},         {"us", 1},
                                           {"m", 60'000'000},     {"s", 1'000'000}};

struct SizeUnit {
  absl::string_view name;
  uint64_t bytes;
};
constexpr SizeUnit kSizeUnits[] = {{"TiB", uint64_t{1} << 40},
                                   {"GiB", uint64_t{1} << 30},
                                   {"MiB", uint64_t{1} << 20},
                                   {"KiB", uint64_t{1} << 10},
                                   {"B", 1},
                                   {"", 1}};

// Digits with at most one point, taken off the front; negative if there are none.
double TakeNumber(absl::string_view* text) {
  size_t n = 0;
  while (n < text->size() && n < 24 &&
         (((*text)[n] >= '0' && (*text)[n] <= '9') || (*text)[n] == '.')) {
    ++n;
  }
  double value = -1;
  if (n == 0 || !absl::SimpleAtod(text->substr(0, n), &value)) return -1;
  text->remove_prefix(n);
  return value;
}

const DurationUnit* TakeUnit(absl::string_view* text) {
  for (const DurationUnit& unit : kDurationUnits) {
    if (text->substr(0, unit.name.size()) == unit.name) {
      text->remove_prefix(unit.name.size());
      return &unit;
    }
  }
  return nullptr;
}

absl::Status BadDuration(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", EscapeForPeople(Truncate(text, 60)),
                   "\" is no duration; write a number and a unit: 500ms, 1s, 5m, 2h or 7d"));
}

absl::Status BadSize(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", EscapeForPeople(Truncate(text, 60)),
                   "\" is no size; write bytes or a number and KiB, MiB, GiB or TiB, as in 64MiB"));
}

}  // namespace

absl::StatusOr<Duration> ParseDuration(absl::string_view text) {
  if (text == "0") return Duration(0);
  absl::string_view rest = text;
  double total = 0;
  int64_t last_unit = std::numeric_limits<int64_t>::max();
  do {
    const double number = TakeNumber(&rest);
    const DurationUnit* unit = number < 0 ? nullptr : TakeUnit(&rest);
    if (unit == nullptr || unit->micros >= last_unit) return BadDuration(text);
    last_unit = unit->micros;
    total += number * static_cast<double>(unit->micros);
  } while (!rest.empty());
  if (total > static_cast<double>(kMaxMicros)) return BadDuration(text);
  return Duration(std::llround(total));
}

std::string FormatDuration(Duration duration) {
  const int64_t micros = duration.count();
  if (micros == 0) return "0s";
  // From large to small; d, h, m, s, ms, us.
  for (const absl::string_view name : {"d", "h", "m", "s", "ms"}) {
    for (const DurationUnit& unit : kDurationUnits) {
      if (unit.name == name && micros % unit.micros == 0)
        return absl::StrCat(micros / unit.micros, name);
    }
  }
  return absl::StrCat(micros, "us");
}

absl::StatusOr<uint64_t> ParseSize(absl::string_view text) {
  absl::string_view rest = text;
  uint64_t whole = 0;
  if (absl::SimpleAtoi(rest, &whole) && rest[0] >= '0' && rest[0] <= '9') return whole;
  const double number = TakeNumber(&rest);
  if (number < 0) return BadSize(text);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  for (const SizeUnit& unit : kSizeUnits) {
    if (rest != unit.name) continue;
    const double bytes = number * static_cast<double>(unit.bytes);
    if (bytes > 9e18 || bytes != std::floor(bytes)) return BadSize(text);
    return static_cast<uint64_t>(bytes);
  }
  return BadSize(text);
}

std::string FormatSize(uint64_t bytes) {
  for (const SizeUnit& unit : kSizeUnits) {
    if (unit.bytes > 1 && bytes >= unit.bytes && bytes % unit.bytes == 0) {
      return absl::StrCat(bytes / unit.bytes, unit.name);
    }
  }
  return absl::StrCat(bytes);
}

absl::StatusOr<Time> ParseTime(absl::string_view text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error) || time == absl::InfiniteFuture() ||
      time == absl::InfinitePast()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", EscapeForPeople(Truncate(text, 60)),
                     "\" is no time; write it as 2026-01-31T12:00:00Z"));
  }
  return Time(Duration(absl::ToUnixMicros(time)));
}

}  // namespace outboard::config
