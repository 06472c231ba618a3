#pragma once

#include <string>
#include <utility>
#include <vector>

#include "outboard/event.h"

namespace outboard::http {

// What is sent for one event. Every header's value is safe to send as it is.
struct Request {
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// The event in a mode of the CloudEvents HTTP binding. Binary: its data is the body, its attributes
// are headers.
Request BinaryRequest(const Event& event);
// Structured: the body is the whole event as JSON.
Request StructuredRequest(const Event& event);

// The value of an attribute as a header: what is not printable ASCII, and blank, quote and percent,
// as %XX of UTF-8.
std::string HeaderValue(std::string_view text);

}  // namespace outboard::http
