#include "plugin.h"

#include <nlohmann/json.hpp>

using nlohmann::json;

namespace {

constexpr char kSchema[] =
    R"({"type": "object", "properties": {"greeting": {"type": "string"}}, "additionalProperties": false})";

json Parse(std::string_view text) { return json::parse(text, nullptr, /*allow_exceptions=*/false); }

std::vector<outboard::ConfigError> Check(std::string_view text) {
  const json config = Parse(text);
  if (config.is_object() && config.value("greeting", json("")).is_string()) return {};
  return {{"/greeting", "must be text"}};
}

outboard::Verdict Handle(const outboard::Event& event, outboard::Context& context) {
  const json story = Parse(event.data());
  if (!story.is_object() || !story.contains("title") || !story["title"].is_string()) {
    return outboard::Reject("NO_TITLE", "a story needs a title");
  }
  const std::string greeting = Parse(context.config_json()).value("greeting", "Hello");
  const std::string text = greeting + ": " + story["title"].get<std::string>();
  outboard::NewEvent sent("greeting.sent");
  sent.Json(json{{"text", text}}.dump());
  if (!event.subject().empty()) sent.Subject(event.subject());
  return outboard::Done(std::move(sent));
}

}  // namespace

outboard::Plugin MakePlugin() {
  outboard::Plugin plugin("__NAME__", "0.1.0");
  plugin.ConfigSchema(kSchema).CheckConfig(Check);
  plugin.Worker("__NAME__", Handle, {.event_types = {"story.#"}, .emits = {"greeting.sent"}});
  return plugin;
}
