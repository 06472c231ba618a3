#include "plugins/producers/http/answer.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>

namespace outboard::http {
namespace {

constexpr std::chrono::seconds kLongest(3600);

bool IsTemporary(long status) { return status == 408 || status == 429 || status >= 500; }

std::string Message(const Answer& answer) {
  std::string message = "the server answered " + std::to_string(answer.status);
  if (answer.status / 100 == 3) {
    message += ", which is not followed: set url to where it is";
    if (!answer.location.empty()) message += ", " + answer.location;
  }
  if (!answer.body.empty()) message += ": " + answer.body;
  return message;
}

}  // namespace

std::optional<std::chrono::seconds> RetryAfter(std::string_view value,
                                               std::chrono::sys_seconds now) {
  int64_t seconds = 0;
  const char* const end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, seconds);
  if (rest != end || error == std::errc::invalid_argument) {
    const time_t date = curl_getdate(std::string(value).c_str(), nullptr);
    if (date < 0) return std::nullopt;
    seconds = date - now.time_since_epoch().count();
  } else if (error == std::errc::result_out_of_range) {
    seconds = kLongest.count();
  }
  if (seconds <= 0) return std::nullopt;
  return std::min(std::chrono::seconds(seconds), kLongest);
}

Verdict VerdictOf(const Answer& answer, std::chrono::sys_seconds now) {
  if (answer.status / 100 == 2) return Accepted();
  std::string reason = "HTTP_" + std::to_string(answer.status);
  if (!IsTemporary(answer.status)) return Reject(std::move(reason), Message(answer));
  const auto after = RetryAfter(answer.retry_after, now);
  return Retry(after.value_or(std::chrono::seconds(0)), std::move(reason), Message(answer));
}

}  // namespace outboard::http
