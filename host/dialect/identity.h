#pragma once

#include <string>

#include "host/dialect/message.h"

namespace outboard::dialect {

// The id of a message that has none: 32 hexadecimal digits of a SHA-256 over exchange, routing key
// and body. The same on every host and after every redelivery.
std::string ContentId(const Message& message);

}  // namespace outboard::dialect
