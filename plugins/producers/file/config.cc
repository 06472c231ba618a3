#include "plugins/producers/file/config.h"

#include "plugins/common/config_reader.h"

namespace outboard::file {

const char kConfigSchema[] = R"({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object",
  "properties": {
    "path": {"type": "string", "minLength": 1, "description": "File that the lines go to"},
    "fsync": {"enum": ["none", "each"], "description": "When the disk must have a line"},
    "max_size": {"type": ["string", "integer"],
                 "description": "The file is put aside before it would be larger, such as 100MiB"},
    "keep": {"type": "integer", "description": "How many are kept aside, as path.1, path.2, ..."}
  },
  "required": ["path"],
  "additionalProperties": false
})";

std::vector<ConfigError> ReadConfig(std::string_view json, Config* config) {
  common::ConfigReader reader(json);
  config->path = reader.RequiredText("path", "the file that the lines go to");
  config->fsync_each = reader.Choice("fsync", {"none", "each"}) == "each";
  config->rotation.max_size = reader.Size("max_size", 4096, 0);
  config->rotation.keep = static_cast<int>(reader.Integer("keep", 1, 1000, 5));
  if (reader.Has("keep") && !reader.Has("max_size")) {
    reader.Fault("/keep", "says nothing without max_size: give both");
  }
  return reader.Finish();
}

}  // namespace outboard::file
