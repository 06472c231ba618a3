#include <ostream>

#include "host/app/cli/dead_filter.h"

namespace outboard::app {

int RunDeadReplay(const DeadOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  if (!client.connected() || !SaysWhich(options, &client)) return client.exit_code();
  host::v1::ReplayDeadRequest request;
  *request.mutable_filter() = MakeFilter(options);
  host::v1::ReplayDeadResponse response;
  if (!client.Call(&host::v1::AdminService::Stub::ReplayDead, request, &response,
                   std::chrono::minutes(5))) {
    return client.exit_code();
  }
  if (client.json()) {
    terminal.out << ToLine(ToJson(response)) << std::endl;
  } else {
    terminal.out << "gave " << CountOfDead(response.replayed()) << " back to their lanes"
                 << std::endl;
  }
  return kOk;
}

}  // namespace outboard::app
