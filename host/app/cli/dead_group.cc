#include <ostream>

#include "absl/strings/str_cat.h"
#include "host/app/cli/dead_filter.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

void Print(const host::v1::DeadGroup& group, const Terminal& terminal) {
  terminal.out << CountOfDead(group.count()) << " of " << EscapeForPeople(group.lane()) << ": "
               << Paint(terminal, Colour::kRed, EscapeForPeople(group.reason()));
  if (!group.error().empty()) terminal.out << ", " << EscapeForPeople(group.error());
  terminal.out << "\n  first " << FormatAge(AgeOf(group.first_died_at())) << " ago, last "
               << FormatAge(AgeOf(group.last_died_at())) << " ago";
  if (!group.plugin_version().empty())
    terminal.out << "; plugin version " << EscapeForPeople(group.plugin_version());
  terminal.out << "\n  one of them:   outboard dead show " << group.example_dead_id()
               << "\n  list them:     outboard dead list --group " << group.group()
               << "\n  replay them:   outboard dead replay --group " << group.group() << "\n";
}

}  // namespace

int RunDeadGroup(const DeadOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  host::v1::GroupDeadRequest request;
  if (!MakeFilter(options, &client, request.mutable_filter())) return client.exit_code();
  host::v1::GroupDeadResponse response;
  if (!client.Call(&host::v1::AdminService::Stub::GroupDead, request, &response,
                   std::chrono::minutes(1)))
    return client.exit_code();
  if (client.json()) {
    terminal.out << ToLine(ToJson(response)) << std::endl;
    return kOk;
  }
  if (response.groups().empty()) {
    terminal.out << (Narrows(request.filter()) ? "no such dead letters" : "no dead letters")
                 << std::endl;
    return kOk;
  }
  for (const host::v1::DeadGroup& group : response.groups()) Print(group, terminal);
  if (response.left_out() > 0) {
    terminal.out << "and " << CountOfDead(response.left_out())
                 << " of further causes: narrow down, as with --lane" << std::endl;
  }
  terminal.out << std::flush;
  return kOk;
}

}  // namespace outboard::app
