#include "plugins/producers/http/request.h"

#include "plugins/common/base64.h"
#include "plugins/common/event_json.h"

namespace outboard::http {
namespace {

void AppendPercent(std::string* out, char c) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  *out += '%';
  *out += kDigits[byte >> 4];
  *out += kDigits[byte & 15];
}

// A media type goes as it is, but for what would end the header.
std::string ContentType(std::string_view type) {
  std::string value;
  for (const char c : type) {
    if (c >= ' ' && c <= '~') {
      value += c;
    } else {
      AppendPercent(&value, c);
    }
  }
  return value;
}

}  // namespace

std::string HeaderValue(std::string_view text) {
  std::string value;
  for (const char c : text) {
    if (c > ' ' && c <= '~' && c != '"' && c != '%') {
      value += c;
    } else {
      AppendPercent(&value, c);
    }
  }
  return value;
}

Request BinaryRequest(const Event& event) {
  Request request;
  auto& headers = request.headers;
  headers.emplace_back("ce-specversion",
                       event.spec_version().empty() ? "1.0" : event.spec_version());
  headers.emplace_back("ce-id", HeaderValue(event.id()));
  headers.emplace_back("ce-source", HeaderValue(event.source()));
  headers.emplace_back("ce-type", HeaderValue(event.type()));
  const bool proto = event.data_kind() == Event::DataKind::kProto;
  bool has_type = false, has_schema = false;
  event.ForEachAttribute([&](std::string_view name, const Attribute& value) {
    has_type |= name == "datacontenttype";
    has_schema |= name == "dataschema";
    if (name == "datacontenttype") {
      headers.emplace_back("Content-Type", ContentType(value.text));
    } else if (value.kind == Attribute::Kind::kBytes) {
      headers.emplace_back("ce-" + std::string(name), common::Base64(value.text));
    } else {
      headers.emplace_back("ce-" + std::string(name), HeaderValue(value.ToString()));
    }
  });
  if (proto && !has_type) headers.emplace_back("Content-Type", "application/protobuf");
  if (proto && !has_schema) {
    headers.emplace_back("ce-dataschema", HeaderValue(event.data_type_url()));
  }
  request.body = event.data();
  return request;
}

Request StructuredRequest(const Event& event) {
  return {{{"Content-Type", "application/cloudevents+json; charset=utf-8"}},
          common::EventJson(event)};
}

}  // namespace outboard::http
