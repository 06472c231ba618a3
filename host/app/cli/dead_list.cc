#include <ostream>

#include "absl/time/clock.h"
#include "host/app/cli/dead_filter.h"
#include "host/app/cli/table.h"
#include "host/base/text.h"

namespace outboard::app {

int RunDeadList(const DeadOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  host::v1::ListDeadRequest request;
  *request.mutable_filter() = MakeFilter(options);
  request.set_limit(options.limit);
  request.set_after(options.after);
  host::v1::ListDeadResponse response;
  if (!client.Call(&host::v1::AdminService::Stub::ListDead, request, &response))
    return client.exit_code();
  if (client.json()) {
    terminal.out << ToLine(ToJson(response)) << std::endl;
    return kOk;
  }
  if (response.letters().empty()) {
    terminal.out << "no dead letters" << (response.total() > 0 ? " after that id" : "")
                 << std::endl;
    return kOk;
  }
  Table table({"ID", "AGE", "LANE", "TYPE", "EVENT", "REASON", "ATTEMPTS", "MESSAGE"});
  for (const host::v1::DeadLetter& letter : response.letters()) {
    const Duration age(absl::ToUnixMicros(absl::Now()) - letter.died_at().seconds() * 1'000'000);
    table.Add({letter.dead_id(),
               FormatAge(age),
               letter.lane(),
               letter.event_type(),
               letter.event_id(),
               {letter.reason(), Colour::kRed},
               uint64_t{letter.attempts()},
               Truncate(letter.message(), 60)});
  }
  table.Print(terminal);
  const auto shown = static_cast<uint64_t>(response.letters_size());
  if (shown < response.total()) {
    terminal.out << shown << " of " << response.total() << "; more with --after "
                 << response.letters(response.letters_size() - 1).dead_id() << std::endl;
  }
  return kOk;
}

}  // namespace outboard::app
