#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace outboard::app {

// What a new plugin is to be. Pure: nothing here touches the disk.
struct NewPlugin {
  std::string name;
  std::string language;  // python or cpp
  std::string role;      // worker, stage or producer
  std::string sdk;       // The folder sdk of a clone, absolute.
};

// INVALID_ARGUMENT says what is wrong with a plugin's name, or with a path that goes into files of
// CMake and pip, and the fix.
absl::Status CheckPluginName(std::string_view name);
absl::Status CheckSdkPath(std::string_view path);

// `text` with each key of `values` in its place, in one pass.
std::string Fill(std::string_view text, const std::map<std::string, std::string>& values);

// The new plugin's files, name to text. All plugins have what is in templates/common, then come the
// folders of the language, the role and both; a file that is in several is made of all of them in
// this order.
std::map<std::string, std::string> ScaffoldFiles(const NewPlugin& plugin);

// What to do with it, one command of a shell each: to build and test it, try it and serve it; and
// to send it something in another shell.
struct NextCommands {
  std::vector<std::string> first;
  std::vector<std::string> second;
};
NextCommands CommandsFor(const NewPlugin& plugin);

}  // namespace outboard::app
