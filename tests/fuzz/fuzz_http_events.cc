// The CloudEvents HTTP binding on any request: what it takes are events for libprotobuf, too, and
// what it does not take it says in JSON.
#include <nlohmann/json.hpp>

#include "absl/strings/string_view.h"
#include "host/http/event_request.h"
#include "host/http/header_value.h"
#include "tests/fuzz/event_oracle.h"
#include "tests/fuzz/fuzz.h"

namespace outboard::fuzz {
namespace {

// "NAME: VALUE" lines up to an empty one; *input is the body then.
http::EventHeaders TakeHeaders(absl::string_view* input) {
  http::EventHeaders headers;
  for (;;) {
    const absl::string_view line = input->substr(0, input->find('\n'));
    input->remove_prefix(std::min(line.size() + 1, input->size()));
    if (line.empty()) return headers;
    const size_t colon = std::min(line.find(": "), line.size());
    headers.Add(line.substr(0, colon), line.substr(std::min(colon + 2, line.size())));
  }
}

void CheckFaults(const http::ReadEvents& read, absl::string_view input) {
  http::Problem problem;
  problem.detail = read.faults[0].detail;
  problem.faults = read.faults;
  const std::string body = *problem.ToAnswer().body;
  Expect(nlohmann::json::accept(body) ? "" : "the answer is no JSON", input);
  for (const http::Fault& fault : read.faults)
    Expect(fault.detail.empty() ? "a fault says nothing" : "", input);
}

}  // namespace
}  // namespace outboard::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outboard::fuzz;  // NOLINT: the entry point has no namespace.
  namespace http = outboard::http;
  const absl::string_view input = AsText(data, size);
  absl::string_view body = input;
  const http::EventHeaders headers = TakeHeaders(&body);
  const auto form = http::FormOf(headers);
  if (!form) return 0;
  const http::ReadEvents read = http::ReadBody(*form, headers, std::string(body), {4096});
  for (const outboard::Event& event : read.events) Expect(FindDisagreement(event.bytes()), input);
  if (!read.faults.empty()) CheckFaults(read, input);
  if (!http::IsBatch(*form)) {
    Expect(read.events.size() + read.faults.size() == 1 ? "" : "not one event and not one fault",
           input);
  }
  return 0;
}
