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
    return kOk;
  }
  if (response.replayed() == 0 && response.stayed() == 0) {
    terminal.out << "nothing to give back: there are no " << (options.all ? "" : "such ")
                 << "dead letters" << std::endl;
    return kOk;
  }
  terminal.out << "gave " << CountOfDead(response.replayed()) << " back to their lanes"
               << std::endl;
  if (response.stayed() > 0) {
    terminal.err << "outboard: warning: " << CountOfDead(response.stayed())
                 << " stayed: no route makes their lanes any more; configure one again, or delete "
                    "them with outboard dead purge"
                 << std::endl;
  }
  return kOk;
}

}  // namespace outboard::app
