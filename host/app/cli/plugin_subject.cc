#include "host/app/cli/plugin_subject.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "nlohmann/json.hpp"

namespace outboard::app {
namespace {

absl::StatusOr<std::string> ReadFile(const std::string& flag, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (file) text << file.rdbuf();
  if (!file || std::filesystem::is_directory(path)) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": cannot read ", EscapeForPeople(path), ": give a file that is there"));
  }
  return text.str();
}

absl::StatusOr<std::string> ReadConfig(const std::string& given) {
  if (given.empty()) return std::string("{}");
  std::string text = given;
  const bool inline_json = absl::StripLeadingAsciiWhitespace(given)[0] == '{';
  if (!inline_json) {
    OUTBOARD_ASSIGN_OR_RETURN(text, ReadFile("--config", given));
  }
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_object()) return text;
  return absl::InvalidArgumentError(absl::StrCat(
      "--config: ", inline_json ? "the text" : EscapeForPeople(given),
      " is no JSON object: give what the plugin's config: would be, such as '{\"path\": \"x\"}'"));
}

absl::Status ReadEnv(const std::vector<std::string>& given, conform::Subject* subject) {
  for (const std::string& item : given) {
    const size_t equals = item.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("--env: \"", EscapeForPeople(item), "\" is no NAME=VALUE"));
    }
    subject->program.env[item.substr(0, equals)] = item.substr(equals + 1);
  }
  return absl::OkStatus();
}

Duration FromSeconds(double seconds) { return Duration(static_cast<int64_t>(seconds * 1e6)); }

}  // namespace

bool IsAddress(const std::string& word) {
  for (const char* scheme : {"unix:", "dns:", "ipv4:", "ipv6:"}) {
    if (absl::StartsWith(word, scheme)) return true;
  }
  const size_t colon = word.rfind(':');
  uint32_t port = 0;
  return colon != std::string::npos && colon > 0 && !absl::StrContains(word, '/') &&
         absl::SimpleAtoi(word.substr(colon + 1), &port) && port > 0 && port < 65536;
}

absl::StatusOr<conform::Subject> SubjectFrom(const PluginOptions& options) {
  conform::Subject subject;
  const std::vector<std::string>& command = options.command;
  if (command.empty()) {
    return absl::InvalidArgumentError(
        "which plugin? give its command, such as `./venv/bin/python main.py`, or its address, "
        "such as unix:/tmp/p.sock");
  }
  if (command.size() == 1 && IsAddress(command[0])) {
    subject.address = command[0];
  } else {
    subject.program.name = "conform";
    subject.program.argv = command;
    subject.program.directory = std::filesystem::current_path().string();
  }
  OUTBOARD_RETURN_IF_ERROR(ReadEnv(options.env, &subject));
  OUTBOARD_ASSIGN_OR_RETURN(subject.config_json, ReadConfig(options.config));
  if (!options.events.empty()) {
    OUTBOARD_ASSIGN_OR_RETURN(const std::string text, ReadFile("--event", options.events));
    absl::StatusOr<std::vector<event::v1::Event>> events = conform::ReadEvents(text);
    if (!events.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--event: ", EscapeForPeople(options.events),
                                                     ": ", events.status().message()));
    }
    subject.events = *std::move(events);
  }
  subject.patience = FromSeconds(options.patience);
  subject.start_timeout = FromSeconds(options.start_timeout);
  subject.show_output = options.show_output;
  return subject;
}

}  // namespace outboard::app
