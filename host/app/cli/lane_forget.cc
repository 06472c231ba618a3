#include <ostream>

#include "absl/strings/str_cat.h"
#include "host/app/cli/verbs.h"
#include "host/base/text.h"

namespace outboard::app {

int RunLaneForget(const ForgetOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  if (options.discard && !options.yes &&
      !Confirm(terminal, absl::StrCat("Delete lane ", EscapeForPeople(options.lane),
                                      " and every event that it still holds?"))) {
    return client.Fail(kUsage, "nothing deleted; --discard needs a yes on the terminal, or --yes");
  }
  host::v1::ForgetLaneRequest request;
  request.set_lane(options.lane);
  if (options.discard) request.set_remainder(host::v1::ForgetLaneRequest::REMAINDER_DISCARD);
  if (options.to_dead) request.set_remainder(host::v1::ForgetLaneRequest::REMAINDER_TO_DEAD);
  host::v1::ForgetLaneResponse response;
  if (!client.Call(&host::v1::AdminService::Stub::ForgetLane, request, &response,
                   std::chrono::minutes(5))) {
    return client.exit_code();
  }
  if (client.json()) {
    terminal.out << ToLine(ToJson(response)) << std::endl;
    return kOk;
  }
  terminal.out << "forgot lane " << EscapeForPeople(options.lane);
  if (response.discarded() > 0) terminal.out << ", deleted " << response.discarded() << " events";
  if (response.to_dead() > 0)
    terminal.out << ", made " << response.to_dead() << " events dead letters";
  terminal.out << std::endl;
  return kOk;
}

}  // namespace outboard::app
