#pragma once

#include "absl/status/status.h"
#include "host/event/event.h"

namespace outboard::dialect {

// OK if the event reads back the same from its attributes' text and its payload: time, subject,
// dataschema and datacontenttype are of the types that CloudEvents gives them, and the data is no
// proto_data. Else INVALID_ARGUMENT says what is not.
absl::Status CheckTextForm(const Event& event);

}  // namespace outboard::dialect
