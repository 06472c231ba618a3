#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "host/dialect/message.h"
#include "host/dialect/message_view.h"

namespace outboard::bus::amqp {

// A message as a broker sent it, in one piece of memory: most are read once, and only few are ever
// taken apart. Built by Frames.
class RawMessage {
 public:
  RawMessage() = default;
  // Names of at most 255 bytes each.
  RawMessage(absl::string_view exchange, absl::string_view routing_key, size_t size_hint);
  // `properties`: the content header's flags and values, which the library has found well-formed.
  void SetProperties(absl::string_view properties, uint64_t body_size_hint);
  void AppendBody(absl::string_view piece) { bytes_.append(piece.data(), piece.size()); }

  size_t size() const { return bytes_.size(); }
  absl::string_view exchange() const { return Part(0, exchange_size_); }
  absl::string_view routing_key() const { return Part(exchange_size_, key_size_); }
  absl::string_view body() const { return Part(BodyBegin(), bytes_.size() - BodyBegin()); }
  // Points into this, until it is moved. What is malformed, and all behind it, is as if not there.
  dialect::MessageView View() const;
  dialect::Message Copy() const;

 private:
  absl::string_view Part(size_t begin, size_t size) const { return {bytes_.data() + begin, size}; }
  size_t BodyBegin() const { return size_t{exchange_size_} + key_size_ + properties_size_; }
  absl::string_view Properties() const {
    return Part(size_t{exchange_size_} + key_size_, properties_size_);
  }

  std::string bytes_;  // Exchange, routing key, properties, body.
  uint32_t properties_size_ = 0;
  uint8_t exchange_size_ = 0;
  uint8_t key_size_ = 0;
};

// The properties of a content header, read in place. Fit for any bytes.
dialect::PropertiesView ReadPropertiesInPlace(absl::string_view bytes);

}  // namespace outboard::bus::amqp
