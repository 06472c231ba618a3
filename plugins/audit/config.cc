#include "plugins/audit/config.h"

#include "plugins/common/config_reader.h"

namespace outboard::audit {

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
  common::ConfigReader reader(json);
  config->path = reader.RequiredText("path", "the file that the lines go to");
  config->fsync_each = reader.Choice("fsync", {"none", "each"}) == "each";
  return reader.Finish();
}

}  // namespace outboard::audit
