#include "host/bus/amqp/table.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/bus/amqp/library.h"

namespace outboard::bus::amqp {
namespace {

dialect::Table ReadTableAt(const amqp_table_t& table, int depth);

int64_t ReadInteger(const amqp_field_value_t& value) {
  switch (value.kind) {
    case AMQP_FIELD_KIND_BOOLEAN: return value.value.boolean != 0 ? 1 : 0;
    case AMQP_FIELD_KIND_I8: return value.value.i8;
    case AMQP_FIELD_KIND_U8: return value.value.u8;
    case AMQP_FIELD_KIND_I16: return value.value.i16;
    case AMQP_FIELD_KIND_U16: return value.value.u16;
    case AMQP_FIELD_KIND_I32: return value.value.i32;
    case AMQP_FIELD_KIND_U32: return value.value.u32;
    case AMQP_FIELD_KIND_I64: return value.value.i64;
    default: return static_cast<int64_t>(value.value.u64);  // T, L.
  }
}

dialect::Field ReadField(const amqp_field_value_t& value, int depth) {
  dialect::Field field;
  field.type = static_cast<char>(value.kind);
  switch (value.kind) {
    case AMQP_FIELD_KIND_VOID: break;
    case AMQP_FIELD_KIND_F32: field.real = value.value.f32; break;
    case AMQP_FIELD_KIND_F64: field.real = value.value.f64; break;
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES:
      field.text.assign(static_cast<const char*>(value.value.bytes.bytes), value.value.bytes.len);
      break;
    case AMQP_FIELD_KIND_DECIMAL:
      field.decimals = value.value.decimal.decimals;
      field.number = value.value.decimal.value;
      break;
    case AMQP_FIELD_KIND_ARRAY:
      if (depth == kMaxTableDepth) return {};
      field.items.reserve(value.value.array.num_entries);
      for (int i = 0; i < value.value.array.num_entries; ++i) {
        field.items.push_back(ReadField(value.value.array.entries[i], depth + 1));
      }
      break;
    case AMQP_FIELD_KIND_TABLE:
      if (depth == kMaxTableDepth) return {};
      field.members = ReadTableAt(value.value.table, depth + 1);
      break;
    case AMQP_FIELD_KIND_U64: field.type = 'l'; [[fallthrough]];  // RabbitMQ has no unsigned one.
    default: field.number = ReadInteger(value); break;
  }
  return field;
}

dialect::Table ReadTableAt(const amqp_table_t& table, int depth) {
  dialect::Table out;
  out.reserve(table.num_entries);
  for (int i = 0; i < table.num_entries; ++i) {
    const amqp_table_entry_t& entry = table.entries[i];
    out.emplace_back(std::piecewise_construct, std::forward_as_tuple(View(entry.key)),
                     std::forward_as_tuple(ReadField(entry.value, depth)));
  }
  return out;
}

template <typename T>
bool Fits(int64_t number) {
  return number >= static_cast<int64_t>(std::numeric_limits<T>::min()) &&
         number <= static_cast<int64_t>(std::numeric_limits<T>::max());
}

bool FitsType(const dialect::Field& field) {
  switch (field.type) {
    case 'b': return Fits<int8_t>(field.number);
    case 'B': return Fits<uint8_t>(field.number);
    case 's': return Fits<int16_t>(field.number);
    case 'u': return Fits<uint16_t>(field.number);
    case 'I': return Fits<int32_t>(field.number);
    case 'i':
    case 'D': return Fits<uint32_t>(field.number);
    case 'T': return field.number >= 0;
    default: return true;
  }
}

struct ShortProperty {
  const char* name;
  amqp_flags_t flag;
  std::optional<std::string> dialect::Properties::*ours;
  amqp_bytes_t amqp_basic_properties_t::*theirs;
};

constexpr ShortProperty kShortProperties[] = {
    {"content-type", AMQP_BASIC_CONTENT_TYPE_FLAG, &dialect::Properties::content_type,
     &amqp_basic_properties_t::content_type},
    {"content-encoding", AMQP_BASIC_CONTENT_ENCODING_FLAG, &dialect::Properties::content_encoding,
     &amqp_basic_properties_t::content_encoding},
    {"correlation-id", AMQP_BASIC_CORRELATION_ID_FLAG, &dialect::Properties::correlation_id,
     &amqp_basic_properties_t::correlation_id},
    {"reply-to", AMQP_BASIC_REPLY_TO_FLAG, &dialect::Properties::reply_to,
     &amqp_basic_properties_t::reply_to},
    {"expiration", AMQP_BASIC_EXPIRATION_FLAG, &dialect::Properties::expiration,
     &amqp_basic_properties_t::expiration},
    {"message-id", AMQP_BASIC_MESSAGE_ID_FLAG, &dialect::Properties::message_id,
     &amqp_basic_properties_t::message_id},
    {"type", AMQP_BASIC_TYPE_FLAG, &dialect::Properties::type, &amqp_basic_properties_t::type},
    {"user-id", AMQP_BASIC_USER_ID_FLAG, &dialect::Properties::user_id,
     &amqp_basic_properties_t::user_id},
    {"app-id", AMQP_BASIC_APP_ID_FLAG, &dialect::Properties::app_id,
     &amqp_basic_properties_t::app_id},
};

}  // namespace

dialect::Table ReadTable(const amqp_table_t& table) { return ReadTableAt(table, 1); }

dialect::Properties ReadProperties(const amqp_basic_properties_t& properties) {
  dialect::Properties out;
  const amqp_flags_t flags = properties._flags;
  for (const ShortProperty& p : kShortProperties) {
    if ((flags & p.flag) != 0) (out.*p.ours).emplace(View(properties.*p.theirs));
  }
  if ((flags & AMQP_BASIC_DELIVERY_MODE_FLAG) != 0) out.delivery_mode = properties.delivery_mode;
  if ((flags & AMQP_BASIC_PRIORITY_FLAG) != 0) out.priority = properties.priority;
  if ((flags & AMQP_BASIC_TIMESTAMP_FLAG) != 0) out.timestamp = properties.timestamp;
  if ((flags & AMQP_BASIC_HEADERS_FLAG) != 0) out.headers = ReadTable(properties.headers);
  return out;
}

template <typename T>
T* TableWriter::Allocate(size_t count) {
  if (count == 0) return nullptr;
  T* const out = static_cast<T*>(amqp_pool_alloc(pool_, count * sizeof(T)));
  OUTBOARD_CHECK(out != nullptr);
  return out;
}

absl::Status TableWriter::PutInteger(const dialect::Field& field, amqp_field_value_t* out) {
  if (!FitsType(field)) {
    return absl::InvalidArgumentError(
        absl::StrCat(field.number, " does not fit its type '", std::string(1, field.type), "'"));
  }
  auto& value = out->value;
  switch (field.type) {
    case 't':
      value.boolean = field.number != 0 ? 1 : 0;
      bytes_ += 1;
      break;
    case 'b':
    case 'B':
      value.u8 = static_cast<uint8_t>(field.number);
      bytes_ += 1;
      break;
    case 's':
    case 'u':
      value.u16 = static_cast<uint16_t>(field.number);
      bytes_ += 2;
      break;
    case 'I':
    case 'i':
      value.u32 = static_cast<uint32_t>(field.number);
      bytes_ += 4;
      break;
    case 'l':
    case 'T':
      value.u64 = static_cast<uint64_t>(field.number);
      bytes_ += 8;
      break;
    case 'D':
      value.decimal = {field.decimals, static_cast<uint32_t>(field.number)};
      bytes_ += 5;
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "its type '", EscapeForPeople(std::string(1, field.type)), "' is none of RabbitMQ's"));
  }
  return absl::OkStatus();
}

absl::Status TableWriter::PutArray(const dialect::Field& field, int depth, amqp_array_t* out) {
  if (depth == kMaxTableDepth) return absl::InvalidArgumentError("it is nested too deeply");
  out->num_entries = static_cast<int>(field.items.size());
  out->entries = Allocate<amqp_field_value_t>(field.items.size());
  bytes_ += 4;
  for (size_t i = 0; i < field.items.size(); ++i) {
    OUTBOARD_RETURN_IF_ERROR(Put(field.items[i], depth + 1, &out->entries[i]));
  }
  return absl::OkStatus();
}

absl::Status TableWriter::Put(const dialect::Field& field, int depth, amqp_field_value_t* out) {
  out->kind = static_cast<uint8_t>(field.type);
  bytes_ += 1;
  switch (field.type) {
    case 'V': return absl::OkStatus();
    case 'f':
      out->value.f32 = static_cast<float>(field.real);
      bytes_ += 4;
      return absl::OkStatus();
    case 'd':
      out->value.f64 = field.real;
      bytes_ += 8;
      return absl::OkStatus();
    case 'S':
    case 'x':
      out->value.bytes = Bytes(field.text);
      bytes_ += 4 + field.text.size();
      return absl::OkStatus();
    case 'A': return PutArray(field, depth, &out->value.array);
    case 'F':
      if (depth == kMaxTableDepth) return absl::InvalidArgumentError("it is nested too deeply");
      return Put(field.members, depth + 1, &out->value.table);
    default: return PutInteger(field, out);
  }
}

absl::Status TableWriter::Put(const dialect::Table& table, int depth, amqp_table_t* out) {
  out->num_entries = static_cast<int>(table.size());
  out->entries = Allocate<amqp_table_entry_t>(table.size());
  bytes_ += 4;
  for (size_t i = 0; i < table.size(); ++i) {
    const auto& [key, field] = table[i];
    const auto named = [&key = key](absl::string_view problem) {
      return absl::InvalidArgumentError(
          absl::StrCat("field \"", EscapeForPeople(Truncate(key, 80)), "\" of a table: ", problem));
    };
    if (key.size() > kMaxShortText) return named("its name has more than 255 bytes");
    out->entries[i].key = Bytes(key);
    bytes_ += 1 + key.size();
    if (absl::Status put = Put(field, depth, &out->entries[i].value); !put.ok()) {
      return named(put.message());
    }
  }
  return absl::OkStatus();
}

absl::Status TableWriter::Write(const dialect::Table& table, amqp_table_t* out) {
  return Put(table, 1, out);
}

absl::Status TableWriter::Write(const dialect::Properties& properties,
                                amqp_basic_properties_t* out) {
  *out = {};
  bytes_ += 14;  // Class, weight, size of the body, flags.
  for (const ShortProperty& p : kShortProperties) {
    const std::optional<std::string>& text = properties.*p.ours;
    if (!text.has_value()) continue;
    if (text->size() > kMaxShortText) {
      return absl::InvalidArgumentError(
          absl::StrCat("its ", p.name, " has ", text->size(), " bytes, but 255 is the most"));
    }
    out->_flags |= p.flag;
    out->*p.theirs = Bytes(*text);
    bytes_ += 1 + text->size();
  }
  if (properties.delivery_mode.has_value()) {
    out->_flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
    out->delivery_mode = *properties.delivery_mode;
    bytes_ += 1;
  }
  if (properties.priority.has_value()) {
    out->_flags |= AMQP_BASIC_PRIORITY_FLAG;
    out->priority = *properties.priority;
    bytes_ += 1;
  }
  if (properties.timestamp.has_value()) {
    out->_flags |= AMQP_BASIC_TIMESTAMP_FLAG;
    out->timestamp = *properties.timestamp;
    bytes_ += 8;
  }
  if (properties.headers.empty()) return absl::OkStatus();
  out->_flags |= AMQP_BASIC_HEADERS_FLAG;
  return Put(properties.headers, 1, &out->headers);
}

}  // namespace outboard::bus::amqp
