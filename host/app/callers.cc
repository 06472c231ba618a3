#include "host/app/callers.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"

namespace outboard::app {
namespace {

constexpr size_t kMaxSocketPath = 107;

std::string SocketIn(const std::string& folder) { return folder + "/publish.sock"; }

absl::StatusOr<std::string> NewToken() {
  std::array<char, 32> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return absl::UnavailableError("the system gives no random bytes for the tokens of plugins");
  std::string token = absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
  AddLogSecret(token);
  return token;
}

access::Caller CallerOf(const config::Plugin& plugin) {
  return {absl::StrCat("plugin ", plugin.name), access::Role::kPublish, plugin.publish,
          absl::StrCat("publish: of plugin ", plugin.name, " in the host's configuration")};
}

}  // namespace

std::string PluginDoor::socket() const { return SocketIn(folder_); }

absl::StatusOr<std::unique_ptr<PluginDoor>> PluginDoor::Make(const config::Config& config) {
  std::unique_ptr<PluginDoor> door(new PluginDoor);
  for (const config::Plugin& plugin : config.plugins) {
    if (plugin.run.empty() || plugin.publish.empty()) continue;
    OUTBOARD_ASSIGN_OR_RETURN(std::string token, NewToken());
    door->plugins_[plugin.name] = {CallerOf(plugin), std::move(token)};
  }
  if (door->plugins_.empty()) return nullptr;
  // Another user, as a sandbox gives one, may not enter the data folder.
  const bool others = std::any_of(
      config.plugins.begin(), config.plugins.end(),
      [](const config::Plugin& plugin) { return !plugin.publish.empty() && plugin.sandbox.on; });
  std::string folder = config.host.data + "/publish";
  if (others || SocketIn(folder).size() > kMaxSocketPath) {
    folder = "/tmp/outboard-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) {
      return absl::UnavailableError(
          absl::StrCat("in /tmp no folder can be made for the socket at which plugins publish: ",
                       std::strerror(errno), ": let the host write there",
                       others ? "" : ", or set host.data to a shorter path"));
    }
  } else if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
    return absl::UnavailableError(absl::StrCat("cannot make ", folder, ": ", std::strerror(errno)));
  }
  chmod(folder.c_str(), 0755);  // For plugins with a user of their own; the token is what counts.
  door->folder_ = std::move(folder);
  return door;
}

PluginDoor::~PluginDoor() {
  if (folder_.empty()) return;
  unlink(socket().c_str());
  rmdir(folder_.c_str());
}

void PluginDoor::Tell(fleet::PluginSpec* spec) const {
  const auto found = plugins_.find(spec->name);
  if (found == plugins_.end()) return;
  spec->program.host_env["OUTBOARD_PUBLISH"] = "unix:" + socket();
  spec->program.host_env["OUTBOARD_TOKEN"] = found->second.token;
  if (spec->program.sandbox.on) spec->program.sandbox.show.push_back(folder_);
}

std::vector<access::Grant> PluginDoor::Grants() const {
  std::vector<access::Grant> grants;
  for (const auto& [name, grant] : plugins_) grants.push_back(grant);
  return grants;
}

absl::StatusOr<std::unique_ptr<access::Tokens>> LoadTokens(const config::Config& config,
                                                           const PluginDoor* door,
                                                           const Clock* clock) {
  std::vector<access::TokenSource> sources;
  if (!config.host.token_file.empty()) sources.push_back({config.host.token_file, std::nullopt});
  for (const config::Plugin& plugin : config.plugins) {
    if (!plugin.token_file.empty()) sources.push_back({plugin.token_file, CallerOf(plugin)});
  }
  std::vector<access::Grant> fixed;
  if (door != nullptr) fixed = door->Grants();
  if (sources.empty() && fixed.empty()) return nullptr;
  return access::Tokens::Load(sources, std::move(fixed), clock);
}

absl::Status CheckCallers(const config::Config& config) {
  const RealClock clock;
  OUTBOARD_RETURN_IF_ERROR(LoadTokens(config, nullptr, &clock).status());
  const std::optional<access::TlsFiles> tls = TlsFilesOf(config);
  return tls ? access::LoadCredentials(*tls).status() : absl::OkStatus();
}

std::optional<access::TlsFiles> TlsFilesOf(const config::Config& config) {
  if (!config.host.tls) return std::nullopt;
  const config::ServerTls& tls = *config.host.tls;
  return access::TlsFiles{tls.cert_file, tls.key_file, tls.client_ca_file};
}

}  // namespace outboard::app
