#include <ostream>

#include "absl/strings/str_cat.h"
#include "host/app/cli/dead_filter.h"

namespace outboard::app {
namespace {

// True if a person said yes, or --yes. Tells how many it is about.
bool MayPurge(const DeadOptions& options, Client* client) {
  if (options.yes) return true;
  host::v1::ListDeadRequest request;
  *request.mutable_filter() = MakeFilter(options);
  request.set_limit(1);
  host::v1::ListDeadResponse response;
  if (!client->Call(&host::v1::AdminService::Stub::ListDead, request, &response)) return false;
  const std::string count = CountOfDead(response.total());
  if (Confirm(client->terminal(), absl::StrCat("Delete ", count, " for good?"))) return true;
  client->Fail(kUsage, absl::StrCat("nothing deleted; this is about ", count,
                                    " and needs a yes on the terminal, or --yes"));
  return false;
}

}  // namespace

int RunDeadPurge(const DeadOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  if (!client.connected() || !SaysWhich(options, &client) || !MayPurge(options, &client)) {
    return client.exit_code();
  }
  host::v1::PurgeDeadRequest request;
  *request.mutable_filter() = MakeFilter(options);
  host::v1::PurgeDeadResponse response;
  if (!client.Call(&host::v1::AdminService::Stub::PurgeDead, request, &response,
                   std::chrono::minutes(5))) {
    return client.exit_code();
  }
  if (client.json()) {
    terminal.out << ToLine(ToJson(response)) << std::endl;
  } else {
    terminal.out << "deleted " << CountOfDead(response.purged()) << std::endl;
  }
  return kOk;
}

}  // namespace outboard::app
