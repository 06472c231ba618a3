#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "outboard/verdict.h"

namespace outboard::http {

// What a server answered.
struct Answer {
  long status = 0;
  std::string retry_after;  // The header's value; empty: none.
  std::string location;     // The same.
  std::string body;         // Its beginning.
};

// 2xx: ACCEPTED. 408, 429 and 5xx: RETRY, not before Retry-After. Everything else: REJECT. The
// reason is HTTP_ and the status.
Verdict VerdictOf(const Answer& answer, std::chrono::sys_seconds now);

// How long to wait by a header Retry-After, which is seconds or a date; at most an hour. Nothing
// where it says neither or a time that is over.
std::optional<std::chrono::seconds> RetryAfter(std::string_view value,
                                               std::chrono::sys_seconds now);

}  // namespace outboard::http
