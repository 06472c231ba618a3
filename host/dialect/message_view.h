#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "host/dialect/message.h"

// What dialects read: a Message's fields as views, or those of a broker's bytes without a copy.
namespace outboard::dialect {

// As Field, but of arrays and tables only that they are some.
struct FieldView {
  char type = 'V';
  uint8_t decimals = 0;
  int64_t number = 0;
  double real = 0;
  absl::string_view text;

  FieldView() = default;
  FieldView(const Field& field)  // NOLINT(google-explicit-constructor): a view of it.
      : type(field.type),
        decimals(field.decimals),
        number(field.number),
        real(field.real),
        text(field.text) {}

  bool is_text() const { return type == 'S' || type == 'x'; }
  bool is_integer() const {
    return absl::string_view("bBsuIil").find(type) != absl::string_view::npos;
  }
};
using TableView = absl::InlinedVector<std::pair<absl::string_view, FieldView>, 12>;

struct PropertiesView {
  std::optional<absl::string_view> content_type, content_encoding, correlation_id, reply_to,
      message_id, type, user_id, app_id;
  std::optional<uint64_t> timestamp;
  TableView headers;

  // Null if there is no header of this name.
  const FieldView* header(absl::string_view name) const {
    for (const auto& [header, field] : headers) {
      if (header == name) return &field;
    }
    return nullptr;
  }
};

struct MessageView {
  absl::string_view exchange;
  absl::string_view routing_key;
  PropertiesView properties;
  absl::string_view body;

  MessageView() = default;
  // Of a message that outlives it and stays as it is.
  MessageView(const Message& message);  // NOLINT(google-explicit-constructor)
};

}  // namespace outboard::dialect
