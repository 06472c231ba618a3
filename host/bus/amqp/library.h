#pragma once

#include <amqp.h>
#include <sys/time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "absl/strings/string_view.h"
#include "host/base/clock.h"
#include "host/dialect/message.h"

// Small things around rabbitmq-c.
namespace outboard::bus::amqp {

using dialect::kMaxShortText;  // Of names too.

struct DestroyState {
  void operator()(amqp_connection_state_t state) const { amqp_destroy_connection(state); }
};
// The library's connection; the end of it closes the socket.
using LibraryState = std::unique_ptr<std::remove_pointer_t<amqp_connection_state_t>, DestroyState>;

inline absl::string_view View(amqp_bytes_t bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}

inline std::string Text(amqp_bytes_t bytes) { return std::string(View(bytes)); }

// Points into `text`. The library's structs are not const, but it only reads what is sent.
inline amqp_bytes_t Bytes(absl::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};
}

inline timeval Timeval(Duration d) {
  const int64_t us = std::max<int64_t>(d.count(), 0);
  return {.tv_sec = us / 1'000'000, .tv_usec = us % 1'000'000};
}

}  // namespace outboard::bus::amqp
