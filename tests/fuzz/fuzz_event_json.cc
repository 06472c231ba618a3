// EventFromJson on any text: what it takes is an event for libprotobuf, too, and reads back from
// EventToJson.
#include "host/event/json.h"
#include "tests/fuzz/event_oracle.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outboard::fuzz;  // NOLINT: the entry point has no namespace.
  const absl::string_view input = AsText(data, size);
  const auto event = outboard::EventFromJson(input);
  if (!event.ok()) return 0;
  Expect(FindDisagreement(event->bytes()), input);
  const std::string json = EventToJson(*event);
  const auto back = outboard::EventFromJson(json);
  Expect(back.ok() ? "" : std::string(back.status().message()), input);
  Expect(EventToJson(*back) == json ? "" : "the second writing differs from the first", input);
  return 0;
}
