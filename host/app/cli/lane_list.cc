#include <ostream>

#include "absl/strings/str_cat.h"
#include "host/app/cli/lane_table.h"
#include "host/app/cli/verbs.h"
#include "host/base/text.h"

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
    for (const host::v1::LaneStatus& lane : response.lanes()) {
      if (lane.advice().empty()) continue;
      terminal.out << Paint(terminal, Colour::kYellow,
                            EscapeForPeople(
                                absl::StrCat("warning: lane ", lane.name(), ": ", lane.advice())))
                   << "\n";
    }
  }
  return kOk;
}

}  // namespace outboard::app
