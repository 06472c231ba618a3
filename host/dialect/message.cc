#include "host/dialect/message.h"

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

bool Field::is_integer() const {
  return absl::string_view("bBsuIil").find(type) != absl::string_view::npos;
}

const Field* Properties::header(absl::string_view name) const {
  for (const auto& [header, field] : headers) {
    if (header == name) return &field;
  }
  return nullptr;
}

}  // namespace outboard::dialect
