#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "outboard/event.h"

namespace outboard::rabbitmq {

// Binary and structured as in the CloudEvents bindings; data is the event's data alone.
enum class Mode { kBinary, kStructured, kData };

// What is sent for one event. Texts of properties are at most 255 bytes; longer ones are left out.
struct Message {
  using Value = std::variant<std::string, int32_t, bool>;

  std::string routing_key;
  std::string content_type, message_id, app_id, type;
  uint64_t timestamp = 0;  // Seconds from 1970 on; 0: none.
  std::vector<std::pair<std::string, Value>> headers;
  std::string body;
};

Message MessageOf(const Event& event, Mode mode, std::string_view routing_key);

// `pattern` with each {attribute} replaced by the event's; an absent one by nothing.
std::string FillIn(std::string_view pattern, const Event& event);

// What is wrong with such a pattern; empty: nothing.
std::string FaultOf(std::string_view pattern);

// Bytes of body and headers.
size_t SizeOf(const Message& message);

// Why no broker takes the message; empty: it may.
std::string TooLarge(const Message& message);

}  // namespace outboard::rabbitmq
