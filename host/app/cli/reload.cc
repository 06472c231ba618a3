#include <ostream>

#include "absl/strings/str_cat.h"
#include "host/app/cli/verbs.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

using host::v1::ConfigChange;

// New plugins have to start, and lanes to empty.
constexpr Duration kPatience = std::chrono::minutes(10);

void Print(const ConfigChange& change, const Terminal& terminal) {
  const bool added = change.kind() == ConfigChange::KIND_ADDED;
  const bool removed = change.kind() == ConfigChange::KIND_REMOVED;
  const Colour colour = added ? Colour::kGreen : removed ? Colour::kRed : Colour::kYellow;
  terminal.out << Paint(terminal, colour,
                        absl::StrCat(added     ? "+ "
                                     : removed ? "- "
                                               : "~ ",
                                     change.section(), change.name().empty() ? "" : " ",
                                     EscapeForPeople(change.name())))
               << "\n";
  for (const std::string& detail : change.details())
    terminal.out << "    " << EscapeForPeople(detail) << "\n";
}

}  // namespace

int RunReload(const ReloadOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  host::v1::ReloadRequest request;
  request.set_dry_run(options.dry_run);
  for (const std::string& plugin : options.replace) request.add_replace(plugin);
  host::v1::ReloadResponse response;
  if (!client.Call(&host::v1::AdminService::Stub::Reload, request, &response, kPatience))
    return client.exit_code();
  if (client.json()) {
    terminal.out << ToLine(ToJson(response)) << std::endl;
    return kOk;
  }
  for (const std::string& warning : response.warnings())
    terminal.err << EscapeForPeople(warning) << "\n";
  for (const ConfigChange& change : response.changes()) Print(change, terminal);
  for (const std::string& plugin : options.replace)
    terminal.out << "~ plugin " << EscapeForPeople(plugin) << ": its instances are replaced\n";
  const bool nothing = response.changes().empty() && options.replace.empty();
  if (nothing) {
    terminal.out << "the config file changes nothing\n";
  } else if (response.applied()) {
    terminal.out << "in force\n";
  } else {
    terminal.out << "not applied: that was a dry run; `outboard reload` brings it in force\n";
  }
  return kOk;
}

}  // namespace outboard::app
