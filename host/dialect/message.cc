#include "host/dialect/message.h"

#include "host/dialect/message_view.h"

namespace outboard::dialect {

Field Field::Text(std::string text) {
  Field field;
  field.type = 'S';
  field.text = std::move(text);
  return field;
}

Field Field::Number(int64_t number) {
  Field field;
  field.type = 'l';
  field.number = number;
  return field;
}

Field Field::Bool(bool value) {
  Field field;
  field.type = 't';
  field.number = value ? 1 : 0;
  return field;
}

bool Field::is_integer() const { return FieldView(*this).is_integer(); }

const Field* Properties::header(absl::string_view name) const {
  for (const auto& [header, field] : headers) {
    if (header == name) return &field;
  }
  return nullptr;
}

MessageView::MessageView(const Message& message)
    : exchange(message.exchange), routing_key(message.routing_key), body(message.body) {
  const Properties& p = message.properties;
  properties.content_type = p.content_type;
  properties.content_encoding = p.content_encoding;
  properties.correlation_id = p.correlation_id;
  properties.reply_to = p.reply_to;
  properties.message_id = p.message_id;
  properties.type = p.type;
  properties.user_id = p.user_id;
  properties.app_id = p.app_id;
  properties.timestamp = p.timestamp;
  for (const auto& [name, field] : p.headers) properties.headers.emplace_back(name, field);
}

}  // namespace outboard::dialect
