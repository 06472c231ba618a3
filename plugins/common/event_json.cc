#include "plugins/common/event_json.h"

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "plugins/common/base64.h"

namespace outboard::common {
namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr unsigned kStrict = rapidjson::kParseValidateEncodingFlag |
                             rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;

void String(Writer& writer, std::string_view text) {
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void Member(Writer& writer, std::string_view name, std::string_view text) {
  String(writer, name);
  String(writer, text);
}

bool SaysJson(std::string_view content_type) {
  const std::string_view media = content_type.substr(0, content_type.find(';'));
  return content_type.empty() || media == "application/json" || media == "text/json" ||
         (media.size() > 5 && media.substr(media.size() - 5) == "+json");
}

void WriteData(Writer& writer, const Event& event) {
  const std::string_view data = event.data();
  if (event.data_kind() == Event::DataKind::kNone) return;
  const bool proto = event.data_kind() == Event::DataKind::kProto;
  if (proto && !event.attribute("dataschema")) {
    Member(writer, "dataschema", event.data_type_url());
  }
  if (!proto && SaysJson(event.data_content_type()) && IsJson(data)) {
    String(writer, "data");
    // Line breaks of JSON stand between tokens only, where a blank does as well.
    std::string line(data);
    for (char& c : line) c = c == '\n' || c == '\r' ? ' ' : c;
    writer.RawValue(line.data(), line.size(), rapidjson::kObjectType);
  } else if (!proto && IsUtf8(data)) {
    Member(writer, "data", data);
  } else {
    Member(writer, "data_base64", Base64(data));
  }
}

void WriteAttribute(Writer& writer, std::string_view name, const Attribute& value) {
  String(writer, name);
  switch (value.kind) {
    case Attribute::Kind::kBoolean: writer.Bool(value.boolean); break;
    case Attribute::Kind::kInteger: writer.Int(value.integer); break;
    case Attribute::Kind::kBytes: String(writer, Base64(value.text)); break;
    default: String(writer, value.ToString());
  }
}

}  // namespace

bool IsUtf8(std::string_view text) {
  rapidjson::MemoryStream in(text.data(), text.size());
  // MemoryStream ends with a zero, so a zero inside the text is no fault: it is checked by
  // position.
  while (in.Tell() < text.size()) {
    rapidjson::StringBuffer ignored;
    if (!rapidjson::UTF8<>::Validate(in, ignored)) return false;
  }
  return true;
}

bool IsJson(std::string_view text) {
  rapidjson::MemoryStream in(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(in);
  rapidjson::BaseReaderHandler<> nothing;
  rapidjson::Reader reader;
  return reader.Parse<kStrict>(stream, nothing) && text.find('\0') == std::string_view::npos;
}

std::string EventJson(const Event& event) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  Member(writer, "specversion", event.spec_version().empty() ? "1.0" : event.spec_version());
  Member(writer, "id", event.id());
  Member(writer, "source", event.source());
  Member(writer, "type", event.type());
  event.ForEachAttribute(
      [&](std::string_view name, const Attribute& value) { WriteAttribute(writer, name, value); });
  WriteData(writer, event);
  writer.EndObject();
  return std::string(buffer.GetString(), buffer.GetSize());
}

std::string EventLine(const Event& event) { return EventJson(event) + '\n'; }

}  // namespace outboard::common
