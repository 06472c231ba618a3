#include "host/conform/bad_config.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "host/plugin/config_schema.h"

namespace outboard::conform {
namespace {

using Json = nlohmann::json;

// A value of another type than the schema names.
Json OfAnotherType(const Json& schema) {
  const auto type = schema.find("type");
  if (type != schema.end() && *type == "string") return Json::object({{"conform", true}});
  return "conform: a value of the wrong type";
}

}  // namespace

std::optional<std::string> ConfigAgainst(absl::string_view schema_json,
                                         absl::string_view config_json) {
  const Json schema = Json::parse(schema_json.begin(), schema_json.end(), nullptr, false);
  const Json config = Json::parse(config_json.begin(), config_json.end(), nullptr, false);
  if (!schema.is_object()) return std::nullopt;
  std::vector<Json> candidates;
  const Json whole = config.is_object() ? config : Json::object();
  const auto properties = schema.find("properties");
  if (properties != schema.end() && properties->is_object()) {
    for (const auto& [name, property] : properties->items()) {
      Json wrong = whole;
      wrong[name] = OfAnotherType(property);
      candidates.push_back(std::move(wrong));
    }
  }
  Json unknown = whole;
  unknown["outboard_conform_unknown"] = 1;
  candidates.push_back(std::move(unknown));
  candidates.push_back(Json::object());
  for (const Json& candidate : candidates) {
    std::string text = candidate.dump();
    if (!plugin::CheckAgainstSchema(text, schema_json).empty()) return text;
  }
  return std::nullopt;
}

}  // namespace outboard::conform
