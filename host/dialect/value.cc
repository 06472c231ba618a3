#include "host/dialect/value.h"

#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"

namespace outboard::dialect {
namespace {

// The shortest text that reads back to the same number.
template <typename Real>
std::string RealText(Real real) {
  char text[64];
  return std::string(text, std::to_chars(text, text + sizeof(text), real).ptr);
}

// `number` divided by ten to the power of `decimals`.
std::string DecimalText(int64_t number, uint8_t decimals) {
  std::string digits = absl::StrCat(number);
  const size_t sign = number < 0 ? 1 : 0;
  if (decimals == 0) return digits;
  if (digits.size() <= sign + decimals) {
    digits.insert(sign, sign + decimals + 1 - digits.size(), '0');
  }
  return digits.insert(digits.size() - decimals, ".");
}

Value Keep(std::string text, Texts* texts) {
  return Value::Text(texts->emplace_back(std::move(text)));
}

}  // namespace

Value FromField(const FieldView& field, Texts* texts) {
  if (field.is_integer()) return Value::Integer(field.number);
  switch (field.type) {
    case 't': return {Value::Kind::kBoolean, field.number, {}, {}};
    case 'S': return Value::Text(field.text);
    case 'x': return {Value::Kind::kBytes, 0, {}, field.text};
    case 'T': return Value::Time({.seconds = field.number});
    case 'f': return Keep(RealText(static_cast<float>(field.real)), texts);
    case 'd': return Keep(RealText(field.real), texts);
    case 'D': return Keep(DecimalText(field.number, field.decimals), texts);
    case 'A':
    case 'F': return {Value::Kind::kCompound, 0, {}, {}};
    default: return {};
  }
}

std::optional<std::string> TextOf(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kText:
    case Value::Kind::kBytes: return std::string(value.text);
    case Value::Kind::kInteger: return absl::StrCat(value.number);
    case Value::Kind::kBoolean: return std::string(value.number != 0 ? "true" : "false");
    case Value::Kind::kTime:
      if (!IsValidTimestamp(value.time)) return std::nullopt;
      return FormatTimestamp(value.time);
    case Value::Kind::kNone:
    case Value::Kind::kCompound: return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace outboard::dialect
