#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "host/access/certificate.h"
#include "host/access/tokens.h"
#include "host/base/clock.h"
#include "host/config/config.h"
#include "host/fleet/fleet.h"

namespace outboard::app {

// Where launched plugins publish, each with a token that the host made for this run.
class PluginDoor {
 public:
  // Null: no launched plugin may publish.
  static absl::StatusOr<std::unique_ptr<PluginDoor>> Make(const config::Config& config);
  // Removes the socket.
  ~PluginDoor();

  std::string socket() const;
  // Puts address and token into the environment of a plugin that may publish.
  void Tell(fleet::PluginSpec* spec) const;
  std::vector<access::Grant> Grants() const;

 private:
  PluginDoor() = default;

  std::string folder_;                            // Of the socket alone.
  std::map<std::string, access::Grant> plugins_;  // By name.
};

// Of all who may come in, those of `door` too, which may be null. Null: nobody is asked for one.
absl::StatusOr<std::unique_ptr<access::Tokens>> LoadTokens(const config::Config& config,
                                                           const PluginDoor* door,
                                                           const Clock* clock);

// What is wrong with the files that LoadTokens and the ports would read.
absl::Status CheckCallers(const config::Config& config);

// Of the host's ports.
std::optional<access::TlsFiles> TlsFilesOf(const config::Config& config);

}  // namespace outboard::app
