#include "plugins/producers/kafka/message.h"

#include "plugins/common/base64.h"
#include "plugins/common/event_json.h"

namespace outboard::kafka {
namespace {

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

void AddHeaders(const Event& event, Message* message) {
  auto& headers = message->headers;
  headers.emplace_back("ce_specversion",
                       event.spec_version().empty() ? "1.0" : event.spec_version());
  headers.emplace_back("ce_id", event.id());
  headers.emplace_back("ce_source", event.source());
  headers.emplace_back("ce_type", event.type());
  const bool proto = event.data_kind() == Event::DataKind::kProto;
  if (proto && event.data_content_type().empty()) {
    headers.emplace_back("content-type", "application/protobuf");
  }
  if (proto && !event.attribute("dataschema")) {
    headers.emplace_back("ce_dataschema", event.data_type_url());
  }
  event.ForEachAttribute([&](std::string_view name, const Attribute& value) {
    headers.emplace_back(name == "datacontenttype" ? "content-type" : "ce_" + std::string(name),
                         TextOf(value));
  });
}

}  // namespace

Message MessageOf(const Event& event, Mode mode, std::string_view key_attribute) {
  Message message;
  message.key = AttributeText(event, key_attribute);
  if (mode == Mode::kStructured) {
    message.headers.emplace_back("content-type", "application/cloudevents+json; charset=utf-8");
    message.value = common::EventJson(event);
    return message;
  }
  if (mode == Mode::kBinary) AddHeaders(event, &message);
  message.value = event.data();
  return message;
}

}  // namespace outboard::kafka
