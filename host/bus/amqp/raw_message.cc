#include "host/bus/amqp/raw_message.h"

#include <amqp.h>
#include <amqp_framing.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "host/bus/amqp/library.h"
#include "host/bus/amqp/table.h"

namespace outboard::bus::amqp {
namespace {

// A body is allocated at once up to here, as its size is the broker's word only.
constexpr uint64_t kMaxReserve = 16 << 20;

using dialect::FieldView;

// Reads big-endian values off the front of bytes. After a value that does not fit nothing does.
class Cursor {
 public:
  explicit Cursor(absl::string_view bytes) : left_(bytes) {}

  bool done() const { return left_.empty(); }
  bool ok() const { return ok_; }

  template <typename T>
  T Integer() {
    const absl::string_view bytes = Take(sizeof(T));
    T value = 0;
    for (const char c : bytes) value = static_cast<T>((value << 8) | static_cast<uint8_t>(c));
    return value;
  }
  absl::string_view Short() { return Take(Integer<uint8_t>()); }
  absl::string_view Long() { return Take(Integer<uint32_t>()); }

  FieldView Field() {
    FieldView field;
    field.type = static_cast<char>(Integer<uint8_t>());
    switch (field.type) {
      case 'V': break;
      case 't': field.number = Integer<uint8_t>() != 0 ? 1 : 0; break;
      case 'b': field.number = static_cast<int8_t>(Integer<uint8_t>()); break;
      case 'B': field.number = Integer<uint8_t>(); break;
      case 's': field.number = static_cast<int16_t>(Integer<uint16_t>()); break;
      case 'u': field.number = Integer<uint16_t>(); break;
      case 'I': field.number = static_cast<int32_t>(Integer<uint32_t>()); break;
      case 'i': field.number = Integer<uint32_t>(); break;
      case 'L': field.type = 'l'; [[fallthrough]];  // RabbitMQ has no unsigned one.
      case 'l':
      case 'T': field.number = static_cast<int64_t>(Integer<uint64_t>()); break;
      case 'f': field.real = std::bit_cast<float>(Integer<uint32_t>()); break;
      case 'd': field.real = std::bit_cast<double>(Integer<uint64_t>()); break;
      case 'D':
        field.decimals = Integer<uint8_t>();
        field.number = static_cast<int32_t>(Integer<uint32_t>());
        break;
      case 'S':
      case 'x': field.text = Long(); break;
      case 'A':
      case 'F': Long(); break;
      default: ok_ = false; left_ = {};
    }
    return field;
  }

 private:
  absl::string_view Take(size_t size) {
    if (size > left_.size()) {
      ok_ = false;
      left_ = {};
      return {};
    }
    const absl::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }

  absl::string_view left_;
  bool ok_ = true;
};

void ReadHeaders(absl::string_view bytes, dialect::TableView* out) {
  Cursor cursor(bytes);
  while (!cursor.done()) {
    const absl::string_view name = cursor.Short();
    const FieldView field = cursor.Field();
    if (!cursor.ok()) return;
    out->emplace_back(name, field);
  }
}

}  // namespace

dialect::PropertiesView ReadPropertiesInPlace(absl::string_view bytes) {
  dialect::PropertiesView out;
  Cursor cursor(bytes);
  const auto flags = cursor.Integer<uint16_t>();
  const auto text = [&](uint32_t flag, std::optional<absl::string_view>* to) {
    if ((flags & flag) == 0) return;
    const absl::string_view value = cursor.Short();
    if (cursor.ok() && to != nullptr) *to = value;
  };
  text(AMQP_BASIC_CONTENT_TYPE_FLAG, &out.content_type);
  text(AMQP_BASIC_CONTENT_ENCODING_FLAG, &out.content_encoding);
  if ((flags & AMQP_BASIC_HEADERS_FLAG) != 0) ReadHeaders(cursor.Long(), &out.headers);
  if ((flags & AMQP_BASIC_DELIVERY_MODE_FLAG) != 0) cursor.Integer<uint8_t>();
  if ((flags & AMQP_BASIC_PRIORITY_FLAG) != 0) cursor.Integer<uint8_t>();
  text(AMQP_BASIC_CORRELATION_ID_FLAG, &out.correlation_id);
  text(AMQP_BASIC_REPLY_TO_FLAG, &out.reply_to);
  text(AMQP_BASIC_EXPIRATION_FLAG, nullptr);
  text(AMQP_BASIC_MESSAGE_ID_FLAG, &out.message_id);
  if ((flags & AMQP_BASIC_TIMESTAMP_FLAG) != 0) {
    const auto seconds = cursor.Integer<uint64_t>();
    if (cursor.ok()) out.timestamp = seconds;
  }
  text(AMQP_BASIC_TYPE_FLAG, &out.type);
  text(AMQP_BASIC_USER_ID_FLAG, &out.user_id);
  text(AMQP_BASIC_APP_ID_FLAG, &out.app_id);
  return out;
}

RawMessage::RawMessage(absl::string_view exchange, absl::string_view routing_key, size_t size_hint)
    : exchange_size_(static_cast<uint8_t>(exchange.size())),
      key_size_(static_cast<uint8_t>(routing_key.size())) {
  bytes_.reserve(std::min<uint64_t>(size_hint, kMaxReserve));
  bytes_.append(exchange.data(), exchange_size_);
  bytes_.append(routing_key.data(), key_size_);
}

void RawMessage::SetProperties(absl::string_view properties, uint64_t body_size_hint) {
  bytes_.reserve(bytes_.size() + properties.size() + std::min(body_size_hint, kMaxReserve));
  bytes_.append(properties.data(), properties.size());
  properties_size_ = static_cast<uint32_t>(properties.size());
}

dialect::MessageView RawMessage::View() const {
  dialect::MessageView view;
  view.exchange = exchange();
  view.routing_key = routing_key();
  view.properties = ReadPropertiesInPlace(Properties());
  view.body = body();
  return view;
}

dialect::Message RawMessage::Copy() const {
  dialect::Message message;
  message.exchange = std::string(exchange());
  message.routing_key = std::string(routing_key());
  message.body = std::string(body());
  amqp_pool_t pool;
  init_amqp_pool(&pool, 4096);
  void* decoded = nullptr;
  if (amqp_decode_properties(AMQP_BASIC_CLASS, &pool, Bytes(Properties()), &decoded) ==
      AMQP_STATUS_OK) {
    message.properties = ReadProperties(*static_cast<const amqp_basic_properties_t*>(decoded));
  }
  empty_amqp_pool(&pool);
  return message;
}

}  // namespace outboard::bus::amqp
