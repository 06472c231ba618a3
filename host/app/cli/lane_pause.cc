#include <ostream>

#include "host/app/cli/verbs.h"
#include "host/base/text.h"

namespace outboard::app {

int RunLanePause(const PauseOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  host::v1::PauseLaneRequest request;
  request.set_lane(options.lane);
  request.set_paused(options.paused);
  host::v1::PauseLaneResponse response;
  if (!client.Call(&host::v1::AdminService::Stub::PauseLane, request, &response))
    return client.exit_code();
  if (client.json()) {
    terminal.out << ToLine(ToJson(response)) << std::endl;
    return kOk;
  }
  terminal.out << "lane " << EscapeForPeople(options.lane);
  if (options.paused) {
    terminal.out
        << " takes nothing more until `outboard lane resume`; what plugins have may finish";
  } else if (response.passed() > 0) {
    terminal.out << " goes on past its dead letters up to " << response.passed();
  } else if (response.stopped_by() > 0) {
    terminal.out << " is not paused any more, and still stopped by dead letter "
                 << response.stopped_by() << ": see `outboard dead show " << response.stopped_by()
                 << "`, replay or purge it, or resume the lane once more to go on past it";
  } else {
    terminal.out << " goes on";
  }
  terminal.out << std::endl;
  return kOk;
}

}  // namespace outboard::app
