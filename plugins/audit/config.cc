#include "plugins/audit/config.h"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

namespace outboard::audit {
namespace {

std::string Text(const rapidjson::Value& value) {
  return std::string(value.GetString(), value.GetStringLength());
}

void ReadPath(const rapidjson::Value& value, Config* config, std::vector<ConfigError>* errors) {
  if (!value.IsString() || value.GetStringLength() == 0) {
    errors->push_back({"/path", "must be the name of a file, such as \"/var/log/audit.jsonl\""});
    return;
  }
  config->path = Text(value);
}

void ReadFsync(const rapidjson::Value& value, Config* config, std::vector<ConfigError>* errors) {
  const std::string text = value.IsString() ? Text(value) : "";
  if (text != "none" && text != "each") {
    errors->push_back({"/fsync", "must be \"none\" or \"each\""});
    return;
  }
  config->fsync_each = text == "each";
}

}  // namespace

const char kConfigSchema[] = R"({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object",
  "properties": {
    "path": {"type": "string", "minLength": 1, "description": "File that the lines go to"},
    "fsync": {"enum": ["none", "each"], "description": "When the disk must have a line"}
  },
  "required": ["path"],
  "additionalProperties": false
})";

std::vector<ConfigError> ReadConfig(std::string_view json, Config* config) {
  rapidjson::Document document;
  document.Parse(json.data(), json.size());
  if (document.HasParseError()) {
    return {{"", std::string("is not JSON: ") +
                     rapidjson::GetParseError_En(document.GetParseError()) + " (at byte " +
                     std::to_string(document.GetErrorOffset()) + ")"}};
  }
  if (!document.IsObject()) return {{"", "must be an object with \"path\""}};
  std::vector<ConfigError> errors;
  if (!document.HasMember("path")) {
    errors.push_back({"/path", "is missing: give the file that the lines go to"});
  }
  for (const auto& member : document.GetObject()) {
    const std::string name = Text(member.name);
    if (name == "path") {
      ReadPath(member.value, config, &errors);
    } else if (name == "fsync") {
      ReadFsync(member.value, config, &errors);
    } else {
      errors.push_back({"/" + name, "is not known here: the keys are path and fsync"});
    }
  }
  return errors;
}

}  // namespace outboard::audit
