#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/event/event.h"
#include "host/event/wire.h"
#include "host/http/problem.h"

// The CloudEvents HTTP binding: from headers and body of a request to events. Pure.
namespace outboard::http {

// What of the headers tells of events.
struct EventHeaders {
  std::string content_type;                                     // Empty: none.
  std::vector<std::pair<std::string, std::string>> attributes;  // "ce-NAME: VALUE"; NAME in lower
                                                                // case, VALUE as it came.
  std::string traceparent, tracestate;

  // Takes what it needs of one header, in any case.
  void Add(absl::string_view name, absl::string_view value);
};

enum class EventForm : uint8_t { kBinary, kJson, kProtobuf, kJsonBatch, kProtobufBatch };

// The form that Content-Type says; nothing: it is none of CloudEvents', and there are no ce-
// headers either.
std::optional<EventForm> FormOf(const EventHeaders& headers);
// What to tell who sent another one.
std::string FormsText();

bool IsBatch(EventForm form);
// What the body may have at most.
size_t MaxBody(EventForm form, const EventLimits& limits);
inline constexpr size_t kMaxBatchEvents = 10'000;

struct ReadEvents {
  std::vector<Event> events;  // In the order of the body.
  std::vector<Fault> faults;  // With a single one nothing of the request is to be published.
};

ReadEvents ReadBody(EventForm form, const EventHeaders& headers, std::string body,
                    const EventLimits& limits);

}  // namespace outboard::http
