// The host with a fault: it dies of what has the text of $OUTBOARD_TEST_DIES_OF in it, where it
// decodes what a bus has. The linker puts these in the place of the two functions that do.
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "host/dialect/dialect.h"
#include "host/event/event.h"

namespace outboard {
namespace {

void DieOf(absl::string_view bytes) {
  static const char* const text = getenv("OUTBOARD_TEST_DIES_OF");
  if (text != nullptr && absl::StrContains(bytes, text)) abort();
}

}  // namespace

#define OUTBOARD_FROM_CHECKED \
  "_ZN8outboard5Event11FromCheckedENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
#define OUTBOARD_DECODE \
  "_ZN8outboard7dialect6DecodeERKNS0_11MessageViewERKNS0_14DialectOptionsERKNS_11EventLimitsE"

absl::StatusOr<Event> RealFromChecked(std::string bytes) asm("__real_" OUTBOARD_FROM_CHECKED);
absl::StatusOr<Event> FromChecked(std::string bytes) asm("__wrap_" OUTBOARD_FROM_CHECKED);
absl::StatusOr<Event> FromChecked(std::string bytes) {
  DieOf(bytes);
  return RealFromChecked(std::move(bytes));
}

absl::StatusOr<Event> RealDecode(const dialect::MessageView& message,
                                 const dialect::DialectOptions& options,
                                 const EventLimits& limits) asm("__real_" OUTBOARD_DECODE);
absl::StatusOr<Event> Decode(const dialect::MessageView& message,
                             const dialect::DialectOptions& options,
                             const EventLimits& limits) asm("__wrap_" OUTBOARD_DECODE);
absl::StatusOr<Event> Decode(const dialect::MessageView& message,
                             const dialect::DialectOptions& options, const EventLimits& limits) {
  DieOf(message.body);
  return RealDecode(message, options, limits);
}

}  // namespace outboard
