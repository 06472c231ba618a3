#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "host/event/event.h"

namespace outboard::fuzz {

// Holds CheckEvent to the generated class outboard.event.v1.Event: what passes is parsed by
// libprotobuf, which sees the same; what is refused as no UTF-8 libprotobuf refuses, too; and of
// what libprotobuf writes, just that passes which is a whole CloudEvent. Empty, or where the two
// disagree.
std::string FindDisagreement(absl::string_view bytes);

// Holds the JSON format to itself: what is written is one line of JSON that reads back to the same
// event.
std::string FindJsonDisagreement(const Event& event);

}  // namespace outboard::fuzz
