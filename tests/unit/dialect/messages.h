#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "host/dialect/message.h"
#include "host/event/event.h"
#include "host/event/wire_reader.h"

namespace outboard::dialect {

// Headers of the attributes that no event goes without.
inline Table CoreHeaders() {
  return {{"cloudEvents:specversion", Field::Text("1.0")},
          {"cloudEvents:id", Field::Text("1")},
          {"cloudEvents:source", Field::Text("tracker")},
          {"cloudEvents:type", Field::Text("story.created")}};
}

// A message with these headers and `more`.
inline Message WithHeaders(Table headers, const Table& more = {}) {
  headers.insert(headers.end(), more.begin(), more.end());
  Message message;
  message.exchange = "tracker";
  message.routing_key = "story.created";
  message.properties.headers = std::move(headers);
  return message;
}

inline Message WithBody(std::string exchange, std::string routing_key, std::string body) {
  Message message;
  message.exchange = std::move(exchange);
  message.routing_key = std::move(routing_key);
  message.body = std::move(body);
  return message;
}

// A value with its type on the wire.
inline Field Typed(char type, int64_t number) {
  Field field = Field::Number(number);
  field.type = type;
  return field;
}

inline Field ByteField(std::string bytes) {
  Field field = Field::Text(std::move(bytes));
  field.type = 'x';
  return field;
}

// The error's text; empty if there is none.
template <typename T>
std::string ProblemOf(const absl::StatusOr<T>& result) {
  return result.ok() ? "" : std::string(result.status().message());
}

// The data of an event; empty if it has none.
inline std::string DataOf(const Event& event) {
  event_wire::Reader reader(event.bytes());
  for (event_wire::Field field; !reader.done() && reader.Next(&field);) {
    if (field.tag == event_wire::tag::kBinaryData) return std::string(field.payload);
  }
  return "";
}

}  // namespace outboard::dialect
