#include "host/app/cli/single_event.h"

#include <random>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "host/app/cli/message_json.h"
#include "host/base/text.h"
#include "host/event/json.h"
#include "host/event/json_members.h"
#include "host/event/wire.h"

namespace outboard::app {
namespace {

// Data as the JSON format has it: a value where it is JSON and nothing else is said, text or base64
// otherwise.
void PutData(const std::string& data, const std::string& content_type, Json* event) {
  const bool json_type = content_type.empty() || content_type == "application/json";
  if (json_type && IsJsonText(data)) {
    (*event)["datacontenttype"] = "application/json";
    (*event)["data"] = Json::parse(data, nullptr, /*allow_exceptions=*/false);
    return;
  }
  if (!content_type.empty()) {
    (*event)["datacontenttype"] = content_type;
  } else {
    (*event)["datacontenttype"] =
        IsValidUtf8(data) ? "text/plain; charset=utf-8" : "application/octet-stream";
  }
  (*event)["data_base64"] = absl::Base64Escape(data);
}

}  // namespace

std::string NewUuid() {
  static thread_local std::random_device random;
  uint32_t words[4];
  for (uint32_t& word : words) word = random();
  return absl::StrFormat("%08x-%04x-4%03x-%04x-%04x%08x", words[0], words[1] >> 16,
                         words[1] & 0xFFF, 0x8000 | (words[2] >> 18), words[2] & 0xFFFF, words[3]);
}

absl::StatusOr<Event> EventFromFlags(const PublishOptions& options, const std::string& data,
                                     bool has_data) {
  Json event = {{"specversion", "1.0"},
                {"id", options.id.empty() ? NewUuid() : options.id},
                {"source", options.source},
                {"type", options.type}};
  if (!options.subject.empty()) event["subject"] = options.subject;
  for (const std::string& attribute : options.attributes) {
    const size_t equals = attribute.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--attribute: \"", EscapeForPeople(attribute), "\" is no name=value"));
    }
    const std::string name = attribute.substr(0, equals);
    if (event.contains(name) || name == "data" || name == "data_base64") {
      return absl::InvalidArgumentError(absl::StrCat("--attribute: ", EscapeForPeople(name),
                                                     " has a flag of its own, or is given twice"));
    }
    event[name] = attribute.substr(equals + 1);
  }
  if (has_data) PutData(data, options.content_type, &event);
  for (const auto& [name, value] : event.items()) {
    if (value.is_string() && !IsValidUtf8(value.get_ref<const std::string&>())) {
      return absl::InvalidArgumentError(absl::StrCat(name, " is not UTF-8; give it as text"));
    }
  }
  return EventFromJson(ToLine(event), kAnySize);
}

absl::StatusOr<Event> EventFromLine(const std::string& line) {
  absl::StatusOr<Event> event = EventFromJson(line, kAnySize);
  if (event.ok() || !IsJsonText(line)) return event;
  Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.contains("id")) return event;
  json["id"] = NewUuid();
  return EventFromJson(ToLine(json), kAnySize);
}

}  // namespace outboard::app
