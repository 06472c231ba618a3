#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "outboard/event.h"

namespace outboard::kafka {

// Binary and structured are those of the CloudEvents Kafka binding; data is the event's data alone,
// as Hermes reads it.
enum class Mode { kBinary, kStructured, kData };

// What is sent for one event.
struct Message {
  std::string key;  // Empty: none.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string value;
};

Message MessageOf(const Event& event, Mode mode, std::string_view key_attribute);

}  // namespace outboard::kafka
