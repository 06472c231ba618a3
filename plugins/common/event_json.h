#pragma once

#include <string>
#include <string_view>

#include "outboard/event.h"

namespace outboard::common {

// The event in the CloudEvents JSON format on one line. Data is embedded where it is JSON and the
// event does not say that it is something else, a string where it is UTF-8 text, and data_base64
// otherwise.
std::string EventJson(const Event& event);

// The same, newline included.
std::string EventLine(const Event& event);

// Whether the text is one complete JSON value.
bool IsJson(std::string_view text);

bool IsUtf8(std::string_view text);

}  // namespace outboard::common
