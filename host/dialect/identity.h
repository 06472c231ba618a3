#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "host/dialect/message_view.h"

namespace outboard::dialect {

// The id of a message that has none: 32 hexadecimal digits of a SHA-256 over exchange, routing key
// and body. The same on every host and after every redelivery.
std::string ContentId(const MessageView& message);
// True if `id` is that of `message`. Cheap for most that are not.
bool IsContentId(absl::string_view id, const MessageView& message);

}  // namespace outboard::dialect
