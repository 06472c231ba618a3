#include "host/app/cli/new/scaffold.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "host/app/cli/new/templates.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

// A route's second plugin is NAME-printer, and a name has at most 63 characters.
constexpr size_t kLongestName = 50;

// What differs from language to language in files that are the same otherwise.
struct Language {
  std::string title;
  std::vector<std::string> command;  // Starts the plugin,
  std::vector<std::string> printer;  // and the worker behind a stage.
  std::vector<std::string> build;
  std::string test;
};

Language LanguageOf(const NewPlugin& plugin) {
  if (plugin.language == "python") {
    const std::string python = ".venv/bin/python";
    return {"Python",
            {python, "main.py"},
            {python, "printer.py"},
            {"python3 -m venv .venv", ".venv/bin/pip install -q -r requirements.txt"},
            python + " -m pytest -q"};
  }
  const std::string program = "./build/bin/" + plugin.name;
  return {"C++",
          {program},
          {program + "-printer"},
          {"cmake -S . -B build", "cmake --build build"},
          "ctest --test-dir build --output-on-failure"};
}

std::string FileName(std::string_view name) {
  return name == "gitignore" ? ".gitignore" : std::string(name);
}

}  // namespace

absl::Status CheckPluginName(std::string_view name) {
  const bool good = !name.empty() && name.size() <= kLongestName && absl::ascii_isalpha(name[0]) &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return absl::ascii_isalnum(c) || c == '-' || c == '_';
                    });
  if (absl::EqualsIgnoreCase({name.data(), name.size()}, "null")) {
    return absl::InvalidArgumentError("null is no name in YAML: take another name");
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", EscapeForPeople(Truncate(std::string(name), 60)), "\" is no name of a plugin: use ",
      "letters, digits, - and _, at most ", kLongestName, ", beginning with a letter"));
}

absl::Status CheckSdkPath(std::string_view path) {
  const size_t at = path.find_first_of("\"$\\;#\n\r`");
  if (at == std::string_view::npos && IsValidUtf8({path.data(), path.size()})) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the path of the SDK, ", EscapeForPeople({path.data(), path.size()}),
                   ", cannot stand in a file of CMake or pip: move the clone to a folder whose "
                   "name has no quotes, $, \\, ; or #"));
}

std::string Fill(std::string_view text, const std::map<std::string, std::string>& values) {
  return absl::StrReplaceAll({text.data(), text.size()}, values);
}

std::map<std::string, std::string> ScaffoldFiles(const NewPlugin& plugin) {
  const Language language = LanguageOf(plugin);
  const std::map<std::string, std::string> values = {
      {"__NAME__", plugin.name},
      {"__ROLE__", plugin.role},
      {"__LANGUAGE__", language.title},
      {"__SDK__", plugin.sdk},
      {"__BUILD__", absl::StrJoin(language.build, "\n")},
      {"__TEST__", language.test},
      {"__COMMAND__", absl::StrJoin(language.command, " ")},
      {"__RUN__", absl::StrJoin(language.command, ", ")},
      {"__RUN_PRINTER__", absl::StrJoin(language.printer, ", ")},
  };
  std::map<std::string, std::string> files;
  for (const std::string& folder :
       {std::string("common"), plugin.language, plugin.role, plugin.language + "-" + plugin.role}) {
    for (const Template& each : Templates()) {
      const size_t slash = each.path.find('/');
      if (each.path.substr(0, slash) != folder) continue;
      files[FileName(each.path.substr(slash + 1))] += Fill(each.text, values);
    }
  }
  return files;
}

NextCommands CommandsFor(const NewPlugin& plugin) {
  const Language language = LanguageOf(plugin);
  const std::string command = absl::StrJoin(language.command, " ");
  NextCommands next{.first = language.build,
                    .second = {"outboard publish --type story.post --source me --subject story/1 "
                               "--data '{\"title\": \"Hello\"}'",
                               "outboard status"}};
  next.first.insert(
      next.first.end(),
      {language.test, "outboard try --event events.ndjson " + command,
       "outboard conform --event events.ndjson " + command, "outboard check", "outboard serve"});
  return next;
}

}  // namespace outboard::app
