#include "host/config/sandbox_warnings.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/config/expand.h"
#include "host/config/scalar.h"

namespace outboard::config {
namespace {

constexpr char kCorePattern[] = "/proc/sys/kernel/core_pattern";

std::string Absolute(const std::string& directory, const std::string& path) {
  return (std::filesystem::path(directory) / path).lexically_normal().string();
}

// A cover of a file goes with the file; that of a folder stays, whatever is replaced in it.
bool InCoveredFolder(const Config& config, const Plugin& plugin, const std::string& file) {
  std::vector<std::string> folders = plugin.sandbox.hide;
  folders.push_back(Absolute(config.directory, config.host.data));
  if (!config.bus.path.empty()) folders.push_back(config.bus.path);
  return std::any_of(folders.begin(), folders.end(), [&](const std::string& folder) {
    return folder != file && LiesIn(folder, file) && !LiesIn(folder, config.directory);
  });
}

// "plugin a", "plugins a, b"; empty: nobody whose sandbox loses the cover of `file`.
std::string WhoSees(const Config& config, const std::string& file) {
  std::vector<std::string> names;
  for (const Plugin& plugin : config.plugins) {
    if (plugin.sandbox.on && !plugin.run.empty() && !InCoveredFolder(config, plugin, file))
      names.push_back(plugin.name);
  }
  if (names.empty()) return "";
  return absl::StrCat(names.size() == 1 ? "plugin " : "plugins ", absl::StrJoin(names, ", "));
}

// amqp://user:password@...
bool HasPassword(absl::string_view url) {
  const size_t begin = url.find("://");
  if (begin == absl::string_view::npos) return false;
  url = url.substr(begin + 3);
  const size_t at = url.substr(0, url.find('/')).rfind('@');
  return at != absl::string_view::npos && absl::StrContains(url.substr(0, at), ":");
}

}  // namespace

bool LosesCore(const Plugin& plugin, const std::string& directory, absl::string_view core_pattern) {
  if (!plugin.core || !plugin.sandbox.on || core_pattern.empty() || core_pattern[0] == '|')
    return false;
  const std::string folder =
      std::filesystem::path(Absolute(directory, std::string(core_pattern))).parent_path().string();
  const std::vector<std::string>& write = plugin.sandbox.write;
  return std::none_of(write.begin(), write.end(),
                      [&](const std::string& path) { return LiesIn(path, folder); });
}

void WarnOfSandboxes(const Config& config, const Value& root, const std::vector<Value>& plugins) {
  std::set<std::string> told;
  const auto check = [&](const std::string& file, const Value& value) {
    if (file.empty() || !told.insert(file).second) return;
    const std::string who = WhoSees(config, file);
    if (who.empty()) return;
    value.Warning(absl::StrCat("is a file that the sandbox of ", who,
                               " covers by itself: once it is replaced by rename, running "
                               "instances can read it"),
                  "keep it in a folder that is covered: host.data, or one in sandbox.hide");
  };
  const Value host = root.Child("host");
  const Value bus = root.Child("bus");
  check(config.host.token_file, host.Child("token_file"));
  if (config.host.tls) check(config.host.tls->key_file, host.Child("tls").Child("key_file"));
  check(config.bus.rabbitmq.tls.key_file, bus.Child("tls").Child("key_file"));
  for (size_t i = 0; i < config.plugins.size(); ++i) {
    const Plugin& plugin = config.plugins[i];
    check(plugin.token_file, plugins[i].Child("token_file"));
    if (plugin.tls) check(plugin.tls->key_file, plugins[i].Child("tls").Child("key_file"));
  }
  const Value url = bus.Child("url");
  const std::string who = WhoSees(config, config.path);
  if (!who.empty() && HasPassword(config.bus.rabbitmq.url) && !HasExpansion(url)) {
    url.Warning(absl::StrCat("has its password in the config file, which the sandbox of ", who,
                             " covers by itself: once it is replaced by rename, running instances "
                             "can read it"),
                "write ${NAME}, or ${file:PATH} with a file in a folder that sandbox.hide names");
  }
  for (size_t i = 0; i < config.plugins.size(); ++i) {
    if (!config.plugins[i].core) continue;
    std::string pattern;
    std::ifstream file(kCorePattern);
    std::getline(file, pattern);
    if (!LosesCore(config.plugins[i], config.directory, pattern)) continue;
    plugins[i].Child("core").Warning(
        absl::StrCat("leaves no core file in a sandbox: ", kCorePattern, " (", pattern,
                     ") is no pipe, and its folder is not in sandbox.write"),
        "have it name a folder in sandbox.write, or a pipe such as that of systemd-coredump");
  }
}

}  // namespace outboard::config
