#include <ostream>

#include "absl/strings/str_cat.h"
#include "host/app/cli/dead_filter.h"

namespace outboard::app {
namespace {

void Tell(const host::v1::PurgeDeadResponse& response, const DeadOptions& options,
          const Client& client) {
  std::ostream& out = client.terminal().out;
  if (client.json()) {
    out << ToLine(ToJson(response)) << std::endl;
  } else if (response.purged() == 0) {
    out << "nothing to delete: there are no " << (options.all ? "" : "such ") << "dead letters"
        << std::endl;
  } else {
    out << (options.dry_run ? "a dry run: would delete " : "deleted ")
        << CountOfDead(response.purged()) << std::endl;
  }
}

// True if a person said yes, or --yes. Tells how many it is about; what comes while they think is
// not among them.
bool MayPurge(const DeadOptions& options, Client* client, host::v1::PurgeDeadRequest* request) {
  if (options.yes || options.dry_run) return true;
  host::v1::PurgeDeadRequest asked = *request;
  asked.set_dry_run(true);
  host::v1::PurgeDeadResponse found;
  if (!client->Call(&host::v1::AdminService::Stub::PurgeDead, asked, &found,
                    std::chrono::minutes(5))) {
    return false;
  }
  // A yes to none would be one to all that came meanwhile.
  if (found.purged() == 0) {
    Tell(found, options, *client);
    return false;
  }
  const std::string count = CountOfDead(found.purged());
  if (!Confirm(client->terminal(), absl::StrCat("Delete ", count, " for good?"))) {
    client->Fail(kUsage, absl::StrCat("nothing deleted; this is about ", count,
                                      " and needs a yes on the terminal, or --yes"));
    return false;
  }
  request->mutable_filter()->set_up_to(found.last_dead_id());
  return true;
}

}  // namespace

int RunDeadPurge(const DeadOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  host::v1::PurgeDeadRequest request;
  if (!client.connected() || !SaysWhich(options, &client) ||
      !MakeFilter(options, &client, request.mutable_filter()) ||
      !MayPurge(options, &client, &request)) {
    return client.exit_code();
  }
  request.set_dry_run(options.dry_run);
  host::v1::PurgeDeadResponse response;
  if (!client.Call(&host::v1::AdminService::Stub::PurgeDead, request, &response,
                   std::chrono::minutes(5))) {
    return client.exit_code();
  }
  Tell(response, options, client);
  return kOk;
}

}  // namespace outboard::app
