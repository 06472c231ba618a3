#include "host/event/timestamp.h"

#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

namespace outboard {
namespace {

constexpr int64_t kMinSeconds = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr int64_t kMaxSeconds = 253'402'300'799;  // 9999-12-31T23:59:59Z
constexpr int32_t kNanosPerSecond = 1'000'000'000;

// Takes exactly `digits` digits from the front of *text.
bool TakeNumber(absl::string_view* text, size_t digits, int* value) {
  if (text->size() < digits) return false;
  *value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (!absl::ascii_isdigit((*text)[i])) return false;
    *value = *value * 10 + ((*text)[i] - '0');
  }
  text->remove_prefix(digits);
  return true;
}

bool TakeChar(absl::string_view* text, char c) {
  if (text->empty() || absl::ascii_toupper(text->front()) != c) return false;
  text->remove_prefix(1);
  return true;
}

// Takes ".123" if it is there.
bool TakeFraction(absl::string_view* text, int32_t* nanos) {
  *nanos = 0;
  if (!TakeChar(text, '.')) return true;
  size_t n = 0;
  int32_t unit = kNanosPerSecond / 10;
  for (; n < text->size() && absl::ascii_isdigit((*text)[n]); ++n, unit /= 10) {
    *nanos += unit * ((*text)[n] - '0');
  }
  text->remove_prefix(n);
  return n > 0;
}

// Takes "Z" or "+01:00"; the offset is in minutes.
bool TakeOffset(absl::string_view* text, int* offset) {
  *offset = 0;
  if (TakeChar(text, 'Z')) return true;
  const int sign = TakeChar(text, '-') ? -1 : TakeChar(text, '+') ? 1 : 0;
  int hours, minutes;
  if (sign == 0 || !TakeNumber(text, 2, &hours) || !TakeChar(text, ':') ||
      !TakeNumber(text, 2, &minutes) || hours > 23 || minutes > 59) {
    return false;
  }
  *offset = sign * (hours * 60 + minutes);
  return true;
}

bool TakeDate(absl::string_view* text, std::chrono::sys_days* days) {
  int y, m, d;
  if (!TakeNumber(text, 4, &y) || !TakeChar(text, '-') || !TakeNumber(text, 2, &m) ||
      !TakeChar(text, '-') || !TakeNumber(text, 2, &d)) {
    return false;
  }
  const std::chrono::year_month_day date{std::chrono::year(y), std::chrono::month(m),
                                         std::chrono::day(d)};
  *days = date;
  return date.ok();
}

bool TakeTimeOfDay(absl::string_view* text, int* seconds) {
  int h, m, s;
  if (!TakeNumber(text, 2, &h) || !TakeChar(text, ':') || !TakeNumber(text, 2, &m) ||
      !TakeChar(text, ':') || !TakeNumber(text, 2, &s)) {
    return false;
  }
  *seconds = (h * 60 + m) * 60 + s;
  return h <= 23 && m <= 59 && s <= 60;
}

}  // namespace

bool IsValidTimestamp(Timestamp t) {
  return t.seconds >= kMinSeconds && t.seconds <= kMaxSeconds && t.nanos >= 0 &&
         t.nanos < kNanosPerSecond;
}

std::string FormatTimestamp(Timestamp t) {
  const std::chrono::sys_seconds time{std::chrono::seconds(t.seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::string out =
      absl::StrFormat("%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                      clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (t.nanos == 0) {
  } else if (t.nanos % 1'000'000 == 0) {
    absl::StrAppendFormat(&out, ".%03d", t.nanos / 1'000'000);
  } else if (t.nanos % 1'000 == 0) {
    absl::StrAppendFormat(&out, ".%06d", t.nanos / 1'000);
  } else {
    absl::StrAppendFormat(&out, ".%09d", t.nanos);
  }
  return out + "Z";
}

std::optional<Timestamp> ParseTimestamp(absl::string_view text) {
  std::chrono::sys_days days;
  int seconds, offset;
  Timestamp t;
  if (!TakeDate(&text, &days) || !TakeChar(&text, 'T') || !TakeTimeOfDay(&text, &seconds) ||
      !TakeFraction(&text, &t.nanos) || !TakeOffset(&text, &offset) || !text.empty()) {
    return std::nullopt;
  }
  t.seconds = int64_t{days.time_since_epoch().count()} * 86'400 + seconds - offset * 60;
  if (!IsValidTimestamp(t)) return std::nullopt;
  return t;
}

}  // namespace outboard
