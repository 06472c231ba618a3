#include <algorithm>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "host/app/cli/dead_filter.h"
#include "host/app/cli/table.h"
#include "host/base/text.h"

namespace outboard::app {

int RunDeadList(const DeadOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  host::v1::ListDeadRequest request;
  if (!MakeFilter(options, &client, request.mutable_filter())) return client.exit_code();
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
    terminal.out << (Narrows(request.filter()) ? "no such dead letters" : "no dead letters")
                 << (response.total() > 0 ? " after that id" : "") << std::endl;
    return kOk;
  }
  // Only where events wait behind some.
  const bool any_waits =
      std::any_of(response.letters().begin(), response.letters().end(),
                  [](const host::v1::DeadLetter& letter) { return letter.waiting() > 0; });
  std::vector<std::string> headers = {"ID",    "AGE",    "LANE",     "TYPE",
                                      "EVENT", "REASON", "ATTEMPTS", "MESSAGE"};
  if (any_waits) headers.insert(headers.end() - 1, "WAITING");
  Table table(headers);
  for (const host::v1::DeadLetter& letter : response.letters()) {
    std::vector<Table::Cell> row = {letter.dead_id(),
                                    FormatAge(AgeOf(letter.died_at())),
                                    letter.lane(),
                                    letter.event_type(),
                                    letter.event_id(),
                                    {letter.reason(), Colour::kRed},
                                    uint64_t{letter.attempts()},
                                    Truncate(letter.message(), 60)};
    if (any_waits) row.insert(row.end() - 1, letter.waiting());
    table.Add(std::move(row));
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
