#pragma once

#include <string>
#include <utility>

#include "host/http/problem.h"

namespace outboard::http {

// Retry-After, in seconds: what is under way is over soon; a bus that is away or full is not.
inline constexpr unsigned kRetrySoon = 1;
inline constexpr unsigned kRetryLater = 5;

inline Problem PushedBack(std::string detail) {
  return {.status = 429, .detail = std::move(detail), .retry_after = kRetrySoon};
}

}  // namespace outboard::http
