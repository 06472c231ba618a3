#include "plugins/producers/sqlite/config.h"

#include "plugins/common/config_reader.h"

namespace outboard::sqlite {

const char kConfigSchema[] = R"({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object",
  "properties": {
    "path": {"type": "string", "minLength": 1, "description": "The database's file; made where absent"},
    "format": {"enum": ["data", "cloudevents"],
               "description": "What a row has: the event's data as it is, or the whole event as JSON"},
    "retention": {"type": "string", "description": "Rows older than this are deleted, such as 30d"}
  },
  "required": ["path"],
  "additionalProperties": false
})";

std::vector<ConfigError> ReadConfig(std::string_view json, Config* config) {
  using std::chrono::milliseconds;
  common::ConfigReader reader(json);
  config->path = reader.RequiredText("path", "the file of the database");
  config->cloudevents = reader.Choice("format", {"data", "cloudevents"}) == "cloudevents";
  config->retention = reader.Duration("retention", milliseconds(1), milliseconds(0));
  return reader.Finish();
}

}  // namespace outboard::sqlite
