#include "plugins/producers/rabbitmq/message.h"

#include "plugins/common/base64.h"
#include "plugins/common/event_json.h"

namespace outboard::rabbitmq {
namespace {

constexpr size_t kShortText = 255;
// All headers are one frame, of 128 KiB with most brokers; a larger one ends the connection.
constexpr size_t kMostHeaders = 100 << 10;

std::string TextOf(const Attribute& value) {
  return value.kind == Attribute::Kind::kBytes ? common::Base64(value.text) : value.ToString();
}

std::string AttributeText(const Event& event, std::string_view name) {
  if (name == "id") return std::string(event.id());
  if (name == "source") return std::string(event.source());
  if (name == "type") return std::string(event.type());
  const std::optional<Attribute> value = event.attribute(name);
  return value ? TextOf(*value) : "";
}

std::string Short(std::string_view text) {
  return text.size() <= kShortText ? std::string(text) : "";
}

Message::Value HeaderOf(const Attribute& value) {
  if (value.kind == Attribute::Kind::kBoolean) return value.boolean;
  if (value.kind == Attribute::Kind::kInteger) return value.integer;
  return TextOf(value);
}

// The prefix that the host's dialect `cloudevents` reads and writes.
void AddHeaders(const Event& event, Message* message) {
  auto& headers = message->headers;
  const auto add = [&](std::string_view name, Message::Value value) {
    headers.emplace_back("cloudEvents:" + std::string(name), std::move(value));
  };
  add("specversion", std::string(event.spec_version().empty() ? "1.0" : event.spec_version()));
  add("id", std::string(event.id()));
  add("source", std::string(event.source()));
  add("type", std::string(event.type()));
  if (event.data_kind() == Event::DataKind::kProto && !event.attribute("dataschema")) {
    add("dataschema", std::string(event.data_type_url()));
  }
  event.ForEachAttribute([&](std::string_view name, const Attribute& value) {
    if (name != "datacontenttype") add(name, HeaderOf(value));
  });
}

}  // namespace

std::string FillIn(std::string_view pattern, const Event& event) {
  std::string text;
  while (!pattern.empty()) {
    const size_t open = pattern.find('{');
    text += pattern.substr(0, open);
    if (open == std::string_view::npos) break;
    const size_t close = pattern.find('}', open);
    text += AttributeText(event, pattern.substr(open + 1, close - open - 1));
    pattern.remove_prefix(close == std::string_view::npos ? pattern.size() : close + 1);
  }
  return text;
}

std::string FaultOf(std::string_view pattern) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '}') return "has a } without its {";
    if (pattern[i] != '{') continue;
    const size_t close = pattern.find('}', i);
    if (close == std::string_view::npos) return "has a { without its }";
    const std::string_view name = pattern.substr(i + 1, close - i - 1);
    if (name.empty() || name.find_first_not_of(kLetters) != std::string_view::npos) {
      return "has {" + std::string(name) +
             "}, which is no name of an attribute: small letters and "
             "digits";
    }
    i = close;
  }
  return "";
}

Message MessageOf(const Event& event, Mode mode, std::string_view routing_key) {
  Message message;
  message.routing_key = FillIn(routing_key, event);
  message.message_id = Short(event.id());
  message.app_id = Short(event.source());
  message.type = Short(event.type());
  if (const auto time = event.time()) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(*time).time_since_epoch().count();
    if (seconds > 0) message.timestamp = static_cast<uint64_t>(seconds);
  }
  if (mode == Mode::kStructured) {
    message.content_type = "application/cloudevents+json; charset=utf-8";
    message.body = common::EventJson(event);
    return message;
  }
  const bool proto = event.data_kind() == Event::DataKind::kProto;
  message.content_type = Short(event.data_content_type());
  if (proto && message.content_type.empty()) message.content_type = "application/protobuf";
  if (mode == Mode::kBinary) AddHeaders(event, &message);
  message.body = event.data();
  return message;
}

size_t SizeOf(const Message& message) {
  size_t bytes = message.body.size();
  for (const auto& [name, value] : message.headers) {
    const auto* text = std::get_if<std::string>(&value);
    bytes += name.size() + 8 + (text == nullptr ? 0 : text->size());
  }
  return bytes;
}

std::string TooLarge(const Message& message) {
  if (message.routing_key.size() > kShortText) {
    return "its routing key has " + std::to_string(message.routing_key.size()) +
           " bytes, and 255 are the most: choose another routing_key";
  }
  for (const auto& [name, value] : message.headers) {
    if (name.size() > kShortText) return "the name of an attribute has more than 255 bytes";
  }
  const size_t bytes = SizeOf(message) - message.body.size();
  if (bytes <= kMostHeaders) return "";
  return "its attributes have " + std::to_string(bytes) + " bytes, and headers hold " +
         std::to_string(kMostHeaders) + ": mode: structured takes them";
}

}  // namespace outboard::rabbitmq
