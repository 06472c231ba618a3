// CheckEvent on any bytes, against the generated class; MakeEmit and FromChecked on the same bytes.
#include "host/event/wire.h"
#include "tests/fuzz/event_oracle.h"
#include "tests/fuzz/fuzz.h"

namespace outboard::fuzz {
namespace {

const Event& Parent() {
  static const Event parent = *CheckEvent("\x0A\x01i\x12\x01s\x22\x01t");
  return parent;
}

// An emit that passed has the id and source that it brought, or those that the host gives it.
std::string CheckEmit(absl::string_view input) {
  const auto emit = MakeEmit(Parent(), "component", 0, std::string(input));
  if (!emit.ok()) return "";
  if (emit->attribute("outboardhops") != "1") return "the emit has not one hop";
  return FindDisagreement(emit->bytes());
}

// Whatever the bytes, stored events can be walked.
std::string CheckStored(absl::string_view input) {
  const auto event = Event::FromChecked(std::string(input));
  if (!event.ok()) return "";
  event->attribute("subject");
  event->attribute("time");
  if (event->id().empty() || event->source().empty() || event->type().empty()) {
    return "a stored event has an empty id, source or type";
  }
  return "";
}

}  // namespace
}  // namespace outboard::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outboard::fuzz;  // NOLINT: the entry point has no namespace.
  const absl::string_view input = AsText(data, size);
  Expect(FindDisagreement(input), input);
  Expect(CheckEmit(input), input);
  Expect(CheckStored(input), input);
  return 0;
}
