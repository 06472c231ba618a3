#include "plugin.h"

#include <cctype>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr char kSchema[] =
    R"({"type": "object", "properties": {"path": {"type": "string"}}, "additionalProperties": false})";

fs::path Folder(std::string_view config) { return json::parse(config).value("path", "outbox"); }

std::string Encode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_') {
      encoded += static_cast<char>(c);
    } else {
      encoded.append({'%', kHex[c >> 4], kHex[c & 15]});
    }
  }
  return encoded;
}

// Called before the first event, and whenever the config changes.
std::string Open(std::string_view config) {
  std::error_code error;
  fs::create_directories(Folder(config), error);
  return error ? "cannot make the folder " + Folder(config).string() + ": " + error.message() : "";
}

std::vector<outboard::ConfigError> Check(std::string_view text) {
  const json config = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (config.is_object() && config.value("path", json("")).is_string()) return {};
  return {{"/path", "must be the name of a folder"}};
}

outboard::Verdict Handle(const outboard::Event& event, outboard::Context& context) {
  // The same event has the same name: once there, whatever happens.
  const std::string name = Encode(event.source()) + "+" + Encode(event.id());
  if (name.size() > 250) return outboard::Reject("ID_TOO_LONG", "source and id make no file name");
  const fs::path file = Folder(context.config_json()) / name;
  const fs::path unfinished = file.string() + ".tmp";
  std::ofstream(unfinished, std::ios::binary) << event.data() << std::flush;
  std::error_code error;
  if (fs::file_size(unfinished, error) == event.data().size()) fs::rename(unfinished, file, error);
  if (error || !fs::exists(file)) return outboard::Retry("NOT_WRITTEN", "cannot write " + name);
  return outboard::Accepted(name);
}

}  // namespace

outboard::Plugin MakePlugin() {
  outboard::Plugin plugin("__NAME__", "0.1.0");
  plugin.ConfigSchema(kSchema).CheckConfig(Check).OnConfig(Open);
  plugin.Producer("__NAME__", Handle, {.event_types = {"story.#"}});
  return plugin;
}
