#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

// A broker's message as dialects read and write it. AMQP 0-9-1's model, without any library of it.
namespace outboard::dialect {

// A routing key or a property has at most so many bytes.
inline constexpr size_t kMaxShortText = 255;

struct Field;
// A table in its order on the wire; a name may occur twice, and then the first counts.
using Table = std::vector<std::pair<std::string, Field>>;

// A value of a header table with its type on the wire, so that it goes out again as it came in.
struct Field {
  // RabbitMQ's letter: t bool, b B s u I i l integers (8, 16, 32, 64 bits; capital B, u, i are
  // unsigned), f d floating point, D decimal, S text, x bytes, A array, F table, T time in seconds
  // since 1970, V nothing.
  char type = 'V';
  int64_t number = 0;        // t, integers, T, and the digits of D.
  uint8_t decimals = 0;      // D.
  double real = 0;           // f, d.
  std::string text;          // S, x.
  std::vector<Field> items;  // A.
  Table members;             // F.

  static Field Text(std::string text);
  static Field Number(int64_t number);
  static Field Bool(bool value);

  bool is_text() const { return type == 'S' || type == 'x'; }
  bool is_integer() const;
  friend bool operator==(const Field&, const Field&) = default;
};

// Of a message; what is not set was not there.
struct Properties {
  std::optional<std::string> content_type, content_encoding, correlation_id, reply_to, expiration,
      message_id, type, user_id, app_id;
  std::optional<uint8_t> delivery_mode;  // 2: kept over a restart of the broker.
  std::optional<uint8_t> priority;
  std::optional<uint64_t> timestamp;  // Seconds since 1970.
  Table headers;

  // Null if there is no header of this name.
  const Field* header(absl::string_view name) const;
  friend bool operator==(const Properties&, const Properties&) = default;
};

struct Message {
  std::string exchange;
  std::string routing_key;
  Properties properties;
  std::string body;

  friend bool operator==(const Message&, const Message&) = default;
};

}  // namespace outboard::dialect
