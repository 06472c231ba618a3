#include <ostream>

#include "host/app/cli/lane_table.h"
#include "host/app/cli/verbs.h"

namespace outboard::app {

int RunLaneList(const HostOptions& options, const Terminal& terminal) {
  Client client(options, terminal);
  if (!client.connected()) return client.exit_code();
  host::v1::ListLanesResponse response;
  if (!client.Call(&host::v1::AdminService::Stub::ListLanes, host::v1::ListLanesRequest(),
                   &response)) {
    return client.exit_code();
  }
  if (client.json()) {
    terminal.out << ToLine(ToJson(response)) << std::endl;
  } else if (response.lanes().empty()) {
    terminal.out << "no lanes; a route in the configuration makes one per target\n";
  } else {
    LaneTable(response.lanes()).Print(terminal);
  }
  return kOk;
}

}  // namespace outboard::app
