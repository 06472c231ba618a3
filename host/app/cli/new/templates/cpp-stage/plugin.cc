#include "plugin.h"

#include <algorithm>
#include <nlohmann/json.hpp>

using nlohmann::json;

namespace {

constexpr char kSchema[] =
    R"({"type": "object", "properties": {"hide": {"type": "array", "items": {"type": "string"}}},
        "additionalProperties": false})";

json Parse(std::string_view text) { return json::parse(text, nullptr, /*allow_exceptions=*/false); }

std::vector<outboard::ConfigError> Check(std::string_view text) {
  const json config = Parse(text);
  const json hide = config.is_object() ? config.value("hide", json::array()) : json();
  const auto is_text = [](const json& key) { return key.is_string(); };
  if (hide.is_array() && std::all_of(hide.begin(), hide.end(), is_text)) return {};
  return {{"/hide", "must be a list of keys"}};
}

outboard::Verdict Handle(const outboard::Event& event, outboard::Context& context) {
  json story = Parse(event.data());
  if (!story.is_object() || !story.contains("title")) {
    return outboard::Reject("NO_TITLE", "a story needs a title");
  }
  if (story.contains("draft") && story["draft"] == true) return outboard::Halt();
  const json config = Parse(context.config_json());
  const auto hide = config.value("hide", std::vector<std::string>());
  size_t hidden = 0;
  for (const std::string& key : hide) hidden += story.erase(key);
  if (hidden == 0) return outboard::Continue();
  return outboard::Continue(outboard::NewEvent::From(event).Data(story.dump()));
}

}  // namespace

outboard::Plugin MakePlugin() {
  outboard::Plugin plugin("__NAME__", "0.1.0");
  plugin.ConfigSchema(kSchema).CheckConfig(Check);
  plugin.Stage("__NAME__", Handle, {.event_types = {"story.#"}});
  return plugin;
}
