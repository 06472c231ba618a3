#include "host/plugin/config_schema.h"

#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

#include "absl/strings/str_cat.h"

namespace outboard::plugin {
namespace {

std::string Pointer(const rapidjson::Pointer& pointer) {
  rapidjson::StringBuffer buffer;
  pointer.Stringify(buffer);
  return buffer.GetSize() == 0 ? "/" : buffer.GetString();
}

}  // namespace

std::vector<std::string> CheckAgainstSchema(absl::string_view config_json,
                                            absl::string_view schema_json) {
  if (schema_json.empty()) return {};
  rapidjson::Document schema;
  if (schema.Parse(schema_json.data(), schema_json.size()).HasParseError()) {
    return {
        "/: the plugin's config_schema_json is no JSON: give a JSON Schema of draft 4, or none"};
  }
  rapidjson::Document config;
  if (config.Parse(config_json.data(), config_json.size()).HasParseError())
    return {"/: the config is no JSON"};
  const rapidjson::SchemaDocument compiled(schema);
  rapidjson::SchemaValidator validator(compiled);
  if (config.Accept(validator)) return {};
  return {absl::StrCat(Pointer(validator.GetInvalidDocumentPointer()), ": breaks the rule \"",
                       validator.GetInvalidSchemaKeyword(), "\" of the plugin's config schema at ",
                       Pointer(validator.GetInvalidSchemaPointer()))};
}

}  // namespace outboard::plugin
