#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/dialect/message_view.h"
#include "host/dialect/value.h"

namespace outboard::dialect {

// Where in a message that is no CloudEvent an attribute comes from.
struct Place {
  enum class From : uint8_t {
    // Properties.
    kMessageId,
    kType,
    kAppId,
    kCorrelationId,
    kTimestamp,
    kContentType,
    kContentEncoding,
    kUserId,
    kReplyTo,
    // How it came.
    kExchange,
    kRoutingKey,
    // These say more in `text` or `pointers`.
    kHeader,
    kBody,
    kFixed,
  };
  From from = From::kFixed;
  // kHeader: its name, the whole of it. kFixed: the value.
  std::string text;
  // kBody, at least one: JSON Pointers (RFC 6901). The first looks into the body, each further one
  // into the JSON text in the string that the one before it found.
  std::vector<std::string> pointers;

  static Place At(From from) { return {from, {}, {}}; }
  static Place Header(std::string name) { return {From::kHeader, std::move(name), {}}; }
  static Place Body(std::vector<std::string> pointers) {
    return {From::kBody, {}, std::move(pointers)};
  }
  static Place Fixed(std::string text) { return {From::kFixed, std::move(text), {}}; }

  friend bool operator==(const Place&, const Place&) = default;
};

// The first one that is there counts. Empty text, a JSON null and a body that is no JSON count as
// not there.
using Places = std::vector<Place>;

// The places for people: property message_id, header "x", body "/a" "/b", ...
std::string Describe(const Places& places);

// Reads places of one message, which must outlive it.
class PlaceReader {
 public:
  explicit PlaceReader(const MessageView& message) : message_(message) {}
  explicit PlaceReader(MessageView&&) = delete;
  // The same where the caller knows that the body is well-formed JSON.
  static PlaceReader OfJson(const MessageView& message) {
    return PlaceReader(message, message.body);
  }
  static PlaceReader OfJson(MessageView&&) = delete;

  // Integers above 32 bits and JSON's other numbers come as text. The value lives as long as this.
  Value Find(const Places& places);

 private:
  PlaceReader(const MessageView& message, absl::string_view json)
      : message_(message), body_checked_(true), body_(json) {}

  // A JSON string that was opened: where it lies, and its text if that is well-formed JSON.
  struct Opened {
    const char* at;
    std::optional<absl::string_view> json;
  };

  Value Read(const Place& place);
  Value ReadBody(const Place& place);
  std::optional<absl::string_view> Open(absl::string_view quoted);
  Value FromJson(absl::string_view json);

  const MessageView& message_;
  bool body_checked_ = false;
  std::optional<absl::string_view> body_;  // If it is JSON.
  std::vector<Opened> opened_;
  Texts texts_;
};

}  // namespace outboard::dialect
